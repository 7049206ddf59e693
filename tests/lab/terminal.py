"""A shell on a terminal of its own: what a person at the keyboard sees of it.

shell = Terminal(["bash", "--norc", "-i"], environ, prompt="READY>")
shell.type("ec\tho x\n")      what was printed from then on to the next prompt
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence

PATIENCE = 20.0  # seconds


class Terminal:
    """`argv` on a terminal; use as a context. The prompt is what tells that it waits for the next line."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], prompt: str) -> None:
        self.prompt = prompt
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execvpe(argv[0], list(argv), dict(environ))  # noqa: S606
        self._until_prompt()

    def type(self, text: str) -> str:
        """Types `text`, which ends a line, and returns what was printed until the prompt comes again."""
        os.write(self.descriptor, text.encode())
        return self._until_prompt()

    def _until_prompt(self) -> str:
        seen, deadline = b"", time.monotonic() + PATIENCE
        while not seen.endswith(self.prompt.encode()):
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"no prompt after {seen!r}")
            seen += os.read(self.descriptor, 4096)
        return seen.decode("utf-8", "replace")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)
