"""Command lines, each in a process of its own, at a tenth of what starting each anew costs.

    ended = start_all(place, lines)                 one after the other
    ended = start_all(place, lines, together=True)  all at once

An interpreter with click in it takes several times as long to come up as most commands then run. So one is started, as
whoever asks wants it (environment, working directory, closed descriptors), loads what kimchictl loads, and is forked
for each line; what a line leaves in memory the next does not see. `place` is an empty directory:

    out, err    where standard output and error end, but for what the wrapper does to them; all children append
    ended       a line for each child in JSON: its status, and how long `out` and `err` were when it had ended
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

NEXT = "--next-line--"  # between the command lines
LOADED = ("kimchictl.__main__", "kimchictl.cli", "kimchictl.commands.template.create", "kimchictl.commands.iso.scan")
WITHIN = 60  # seconds, for all


@dataclass(frozen=True)
class Ended:
    """How a command line ended. Of several at once each has what all of them printed."""

    line: Sequence[str]
    status: int
    stdout: bytes
    stderr: bytes


def start_all(
    place: Path,
    lines: Sequence[Sequence[str]],
    env: Mapping[str, str],
    wrapper: str = '"$@"',
    together: bool = False,
    **more: Any,
) -> list[Ended]:
    """Runs all lines in `env`, with whatever else subprocess.run takes; `wrapper` is a line of sh around "$@"."""
    (place / "ended").touch()
    words = [word for line in lines for word in (NEXT, *line)]
    python = [sys.executable, "-P", __file__, str(place), "together" if together else "in-turn", *words]
    with open(place / "out", "ab") as out, open(place / "err", "ab") as err:
        shell = ["/bin/sh", "-c", wrapper, "sh", *python]
        given = {"stdin": subprocess.DEVNULL, "timeout": WITHIN} | more
        subprocess.run(shell, stdout=out, stderr=err, env=importable() | env, **given)
    out, err = ((place / name).read_bytes() for name in ("out", "err"))
    marks = [json.loads(text) for text in (place / "ended").read_text().splitlines()]
    assert len(marks) == len(lines), err.decode(errors="replace")
    ended, begin = [], (0, 0)
    for line, (status, *end) in zip(lines, marks, strict=True):
        if together:
            ended.append(Ended(line, status, out, err))
        else:
            ended.append(Ended(line, status, out[begin[0] : end[0]], err[begin[1] : end[1]]))
        begin = end
    return ended


def importable() -> dict[str, str]:
    """Where the package under test is, for a process that does not start in the checkout."""
    import kimchictl

    return {"PYTHONPATH": str(Path(kimchictl.__file__).parent.parent)}


def main() -> int:
    """The interpreter that is forked."""
    from kimchictl.__main__ import main as run

    for name in LOADED:
        import_module(name)
    gc.freeze()  # nor is it looked for garbage in, which would copy it
    place, how, *words = sys.argv[1:]
    ended, running = [], []
    while words:
        length = words.index(NEXT, 1) if NEXT in words[1:] else len(words)
        line, words = words[1:length], words[length:]
        child = os.fork()
        if child == 0:
            if sys.getfilesystemencoding() != "utf-8":  # main would replace this interpreter by one with this command
                os.execv(sys.executable, [sys.executable, "-m", "kimchictl", *line])  # noqa: S606
            sys.argv[:] = ["kimchictl", *line]
            end(run())
        running.append(child)
        if how == "in-turn":
            ended.append(mark(place, running.pop()))
    ended += [mark(place, child) for child in running]
    if ended:  # the rest of what was printed, if it went through a terminal, is the last one's
        ended[-1][1:] = [sys.maxsize] * 2
    with open(f"{place}/ended", "w") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in ended)
    return 0


def end(status: int) -> NoReturn:
    """Ends as the interpreter does, but for freeing what was loaded, which takes longer than most commands."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            status = 120  # what the interpreter makes of output that is left in the end, and lost
    os._exit(status)


def mark(place: str, child: int) -> list[int]:
    """Waits for a child; its line of `ended`."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [status, *(os.stat(f"{place}/{name}").st_size for name in ("out", "err"))]


if __name__ == "__main__":
    sys.exit(main())
