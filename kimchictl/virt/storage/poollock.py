"""One refresh of a storage pool at a time, whichever process asks.

    RUN_DIR/pools/
      UUID@      mode 0600, made once, never removed; flock: who refreshes this pool, or looks at its directory, holds
                 it. Its text, "PID SECONDS POOL", says which process, and since when (seconds since the epoch); it is
                 taken away at the end, so what is left is of one that was never seen to end
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
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kimchictl import files
from kimchictl.config import find_places
from kimchictl.errors import Failed, Locked
from kimchictl.virt.connection import Host

_POLL_SECONDS = 0.01
_LONGEST = 512  # bytes of a lock's text


class PoolLock:
    """A lock that is held; `fd` is for the child that is to keep it, None where no lock can be had.

    `kept`: a child hangs that has it, and goes on having it.
    """

    def __init__(self, fd: int | None, pool: str) -> None:
        self.fd, self.pool, self.kept = fd, pool, False

    def held_by(self, pid: int) -> None:
        """Notes who is at it now."""
        self._write(f"{pid} {time.time():.0f} {self.pool}".encode())

    def close(self) -> None:
        """Frees it, if it is not kept. No LOCK_UN, which would take it from a child, too."""
        if not self.kept:
            self._write(b"")
        if self.fd is not None:
            os.close(self.fd)

    def _write(self, text: bytes) -> None:
        if self.fd is not None:
            with contextlib.suppress(OSError):  # a full disk: then it cannot be told who it is
                os.ftruncate(self.fd, os.pwrite(self.fd, text, 0))


class Holder(NamedTuple):
    """What is written in a lock."""

    pid: int
    since: int
    pool: str

    @property
    def at(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.since))


@contextlib.contextmanager
def pool_lock(host: Host, pool: Any, seconds: float, whoever: bool = False) -> Iterator[PoolLock]:
    """The lock of a pool, waited for `seconds` at most, and not at all where its holder has hung for longer.

    With `whoever` such a one is waited for all the same. Raises Locked, naming the holder. Where the directory cannot
    be written nobody is kept out.
    """
    fd = _open(pool.UUIDString() + _suffix(host))
    try:
        if fd is not None:
            _wait(fd, seconds, whoever)
    except BaseException:
        os.close(fd)  # type: ignore[arg-type]
        raise
    lock = PoolLock(fd, pool.name())
    try:
        lock.held_by(os.getpid())
        yield lock
    finally:
        lock.close()


def never_ended(host: Host) -> str | None:
    """The refresh of a pool of `host` that was not seen to end, as a sentence; the last one, if there are several."""
    found = []
    with contextlib.suppress(OSError), os.scandir(_directory()) as entries:
        for entry in entries:
            if entry.name.endswith(_suffix(host)) and (holder := _read(entry.path)):
                found.append(holder)
    last = max(found, key=lambda holder: holder.since, default=None)
    return last and f"a refresh of pool {last.pool!r}, begun at {last.at}, was not seen to end: look at its storage"


def _directory() -> str:
    return os.path.join(find_places(os.environ).run_dir, "pools")


def _suffix(host: Host) -> str:
    return f"@{urlsplit(host.uri).netloc}"


def _open(name: str) -> int | None:
    try:
        files.make_directory(_directory())
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(os.path.join(_directory(), name), flags, 0o600)
    except (Failed, OSError):
        return None


def _wait(fd: int, seconds: float, whoever: bool) -> None:
    end, before = time.monotonic() + seconds, None
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                return None  # a file system without locks
        # Twice the same: what is read at first can be of who held it before, and left it a moment ago.
        holder, before = before, _holder(os.pread(fd, _LONGEST, 0))
        hangs = before and before == holder and abs(time.time() - before.since) > seconds
        if time.monotonic() > end or (hangs and not whoever):
            raise Locked(_said(before))
        time.sleep(_POLL_SECONDS)


def _read(path: str) -> Holder | None:
    try:
        with open(path, "rb") as file:
            return _holder(file.read(_LONGEST))
    except OSError:
        return None


def _holder(text: bytes) -> Holder | None:
    """What whoever has the lock noted; None if it did not."""
    pid, since, pool, *_ = (*text.decode("utf-8", "replace").split(" ", 2), "", "", "")
    if all(word.isascii() and word.isdigit() and len(word) < 12 for word in (pid, since)):
        return Holder(int(pid), int(since), pool)
    return None


def _said(holder: Holder | None) -> str:
    if holder is None:
        return "another process is at it, and does not end"
    return f"process {holder.pid} has been at it since {holder.at}"
