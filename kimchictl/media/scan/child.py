"""Part of the work in a second process.

Asking for 30,000 directories is two thirds system calls; two processes have them done on two processors at once, where
threads would wait for each other's interpreter lock.

Child    the second process
Shares   what both take their work from
"""

import os
import signal
import struct
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from kimchictl.locks.signals import uninterrupted

_MOST = 4096  # numbers that a pipe holds before anybody reads
_NUMBER = struct.Struct("=I")  # far below PIPE_BUF: a pipe gives and takes it whole


class Child:
    """A forked process that does `work` and hands back its bytes: `with Child(work) as child: ... child.result()`.

    Leaving the block without having asked for the result ends it.
    """

    def __init__(self, work: Callable[[], bytes]) -> None:
        self._reader, writer = os.pipe()
        self._pid = fork()
        if self._pid == 0:
            _run(work, self._reader, writer)
        os.close(writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._reader)

    def result(self) -> bytes | None:
        """What the work came to, when it is done; None if it failed. To be asked once."""
        with open(self._reader, "rb", closefd=False) as pipe:
            content = pipe.read()
        _pid, status = os.waitpid(self._pid, 0)
        self._pid = 0
        os.close(self._reader)
        return content if status == 0 else None


class Shares:
    """The positions below `count`, each taken by the one of the processes that is free first.

    To be made before the fork, and iterated over in both: they lie in a pipe that all take from. Iterating gives
    slices of what is shared out: `for share in shares: work(items[share])`.
    """

    def __init__(self, count: int) -> None:
        self._step = min(count, _MOST)
        self._reader, writer = os.pipe()
        os.write(writer, b"".join(map(_NUMBER.pack, range(self._step))))
        os.close(writer)

    def __iter__(self) -> Iterator[slice]:
        while number := os.read(self._reader, _NUMBER.size):
            yield slice(_NUMBER.unpack(number)[0], None, self._step)

    def close(self) -> None:
        os.close(self._reader)


def _run(work: Callable[[], bytes], reader: int, writer: int) -> None:
    """Never returns: what belongs to the parent, its locks and its output, is not to be ended twice."""
    status = 1
    try:
        os.close(reader)
        content = work()
        with open(writer, "wb") as pipe:
            pipe.write(content)
        status = 0
    finally:
        os._exit(status)


def fork() -> int:
    """os.fork, during which no Ctrl-C arrives: in one of the functions that Python calls around a fork (a lock may be
    taken before it and freed after it) the exception would be lost, and with it what that function still had to do."""
    with uninterrupted():
        return os.fork()


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
