"""Work on paths whose server may be dead, or may die meanwhile: in a child process that is given up then.

A process that waits for a dead NFS server cannot be interrupted, and a thread that does keeps its process from exiting;
a child can be abandoned. It has none of our files open, and so none of our locks: who reads our output (cron, a pipe)
would wait for its end, too.

What comes through the pipe: b"t", a path that is about to be touched, NUL; at last b"r" and what the work came to.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from kimchictl.media.scan.child import fork

_DESCRIPTORS = 1 << 16  # none of ours has a number above it
_HURRY = 2.0  # seconds that an interrupted child has at most to touch what it was about to
_LONGEST = 2048  # bytes of a path: with the rest far below PIPE_BUF

Tell = Callable[[bytes], None]


class Stalled(Exception):
    """Nothing was heard of the child for too long, since it said that it would touch `path`."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self.path = path


def watched(
    work: Callable[[Tell], bytes],
    seconds: float,
    heard: Callable[[bytes], bool] = lambda path: True,
    interruptible: bool = False,
) -> bytes | None:
    """What `work` comes to in a child, None if it failed there. It calls what it is given before it touches a path.

    `heard` is called with each of these paths, and says whether it may take for ever. Raises Stalled when the child
    was silent for `seconds` after such a one. Ctrl-C ends the child; with `interruptible` the first one is the work's,
    which is to come to an early result.
    """
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        _run(work, writer)
    os.close(writer)
    listener = _Listener(reader, seconds, heard)
    try:
        return listener.result()
    except KeyboardInterrupt:
        if not interruptible:
            raise
        os.kill(child, signal.SIGINT)
        listener.seconds = min(seconds, _HURRY)
        with suppress(Stalled):
            if (early := listener.result()) is not None:
                return early
        raise
    finally:
        os.close(reader)
        _reap(child, listener.at_end)


class _Listener:
    """What a child says through the pipe `reader`; it may be asked for the result anew after an interruption."""

    def __init__(self, reader: int, seconds: float, heard: Callable[[bytes], bool]) -> None:
        self._reader, self.seconds, self._heard = reader, seconds, heard
        self._said = bytearray()
        self._path, self._may_stall = b"", heard(b"")
        self.at_end = False  # the child's end of the pipe is closed, which it is when the child exits

    def result(self) -> bytes | None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN | select.POLLHUP)
        while not self.at_end:
            if poll.poll(self.seconds * 1000):
                piece = os.read(self._reader, 1 << 16)
                self._said += piece
                self.at_end = not piece
                self._take_paths()
            elif self._may_stall:
                raise Stalled(self._path)
        return bytes(self._said[1:]) if self._said[:1] == b"r" else None

    def _take_paths(self) -> None:
        at = 0
        while self._said[at : at + 1] == b"t" and (end := self._said.find(b"\0", at)) > 0:
            self._path = bytes(self._said[at + 1 : end])
            self._may_stall = self._heard(self._path)
            at = end + 1
        del self._said[:at]


def _run(work: Callable[[Tell], bytes], writer: int) -> None:
    """In the child; never returns: what belongs to the parent, its locks and its output, is not to be ended twice."""
    try:
        os.setpgid(0, 0)  # Ctrl-C on a terminal is for the parent
        os.closerange(0, writer)
        os.closerange(writer + 1, _DESCRIPTORS)
        for _ in range(3):
            os.open(os.devnull, os.O_RDWR)  # no file that the work opens becomes its standard output
        content = work(lambda path: _say(writer, b"t" + path[:_LONGEST] + b"\0"))
        _say(writer, b"r" + content)
    except BaseException:  # noqa: S110 - the parent meets the error again when it looks itself
        pass
    finally:
        os._exit(0)


def _say(writer: int, content: bytes) -> None:
    at = memoryview(content)
    while at:
        at = at[os.write(writer, at) :]


def _reap(child: int, done: bool) -> None:
    if done:
        os.waitpid(child, 0)
        return
    os.kill(child, signal.SIGKILL)
    for _ in range(20):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.005)
