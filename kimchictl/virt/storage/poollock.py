"""One refresh of a storage pool at a time, whichever process asks.

    RUN_DIR/pools/
      UUID@      mode 0600, made once, never removed; flock: who refreshes this pool, or looks at its directory, holds
                 it. Its text, "PID SECONDS", says which process, and since when (seconds since the epoch)
      UUID@HOST  the same for a pool of a host far away

The lock is the open file's, which a child process shares: one that waits for a dead file server keeps it when we have
gone, and even though it was killed, and the next process finds it held and asks nobody. RUN_DIR is each user's own,
and what is in it is for nobody else to open, so that nobody can keep root from refreshing.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from kimchictl import files
from kimchictl.config import find_places
from kimchictl.errors import Failed, Locked
from kimchictl.virt.connection import Host

_POLL_SECONDS = 0.01


class PoolLock:
    """A lock that is held; `fd` is for the child that is to keep it, None where no lock can be had."""

    def __init__(self, fd: int | None) -> None:
        self.fd = fd

    def held_by(self, pid: int) -> None:
        """Notes who is at it now."""
        if self.fd is not None:
            text = f"{pid} {time.time():.0f}\n".encode()
            with contextlib.suppress(OSError):  # a full disk: then it cannot be told who it is
                os.ftruncate(self.fd, os.pwrite(self.fd, text, 0))


@contextlib.contextmanager
def pool_lock(host: Host, pool: Any, seconds: float) -> Iterator[PoolLock]:
    """The lock of a pool, waited for `seconds` at most, and not at all where its holder has hung for longer.

    Raises Locked, naming the holder. Where the directory cannot be written nobody is kept out.
    """
    fd = _open(f"{pool.UUIDString()}@{urlsplit(host.uri).netloc}")
    try:
        if fd is not None:
            _wait(fd, seconds)
        lock = PoolLock(fd)
        lock.held_by(os.getpid())
        yield lock
    finally:
        if fd is not None:
            os.close(fd)  # and no LOCK_UN, which would take it from a child, too


def _open(name: str) -> int | None:
    directory = os.path.join(find_places(os.environ).run_dir, "pools")
    try:
        files.make_directory(directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(os.path.join(directory, name), flags, 0o600)
    except (Failed, OSError):
        return None


def _wait(fd: int, seconds: float) -> None:
    end, before = time.monotonic() + seconds, None
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                return None  # a file system without locks
        # Twice the same: what is read at first can be of who held it before, and left it a moment ago.
        holder, before = before, _holder(fd)
        if time.monotonic() > end or (before and before == holder and abs(time.time() - before[1]) > seconds):
            raise Locked(_said(before))
        time.sleep(_POLL_SECONDS)


def _holder(fd: int) -> tuple[int, int] | None:
    """(PID, since when) as whoever has the lock noted it; None if it did not."""
    words = os.pread(fd, 64, 0).split()
    if len(words) == 2 and all(word.isdigit() and len(word) < 12 for word in words):
        return int(words[0]), int(words[1])
    return None


def _said(holder: tuple[int, int] | None) -> str:
    if holder is None:
        return "another process is at it, and does not end"
    pid, since = holder
    return f"process {pid} has been at it since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(since))}"
