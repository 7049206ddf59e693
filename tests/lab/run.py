"""One command line, run in the test's own process as scripts may: what it printed and how it ended."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from kimchictl import cli


@dataclass(frozen=True)
class Run:
    """`status` is the exit status, `out` and `err` what was printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, read as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error object of `-o json` on stderr."""
        return json.loads(self.err)["error"]


def run(capture: pytest.CaptureFixture[str], *argv: object, status: int | None = None) -> Run:
    """Run `argv`; the output of what came before is dropped. With `status`, anything else fails the test."""
    capture.readouterr()
    ended = cli.main([str(word) for word in argv])
    done = Run(ended, *capture.readouterr())
    assert "Traceback" not in done.err, done.err
    if status is not None:
        assert ended == status, f"{argv} ended with {ended}: {done.err}"
    return done
