"""Keeping other threads and other processes out: a semaphore orders the threads of this process, flock the processes.

    DIRECTORY/
      .lock   mode 0600, made once, never replaced and never removed; its text, "PID HOST COMMAND", names who locked it
              last: a courtesy to those who wait in vain, while /proc/locks says who holds it now
      .lock.turn   the same for the place at the head of the queue

The semaphore is taken first, the turn under it, the lock under that; then the turn is given on. Nobody waits for a
person, a network or libvirt while holding one.
"""

import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from kimchictl import files
from kimchictl.errors import Failed, Locked
from kimchictl.locks.holder import describe_holder, write_holder
from kimchictl.locks.mounts import refuse_local_locks

TURN = ".turn"

_WAIT = "wait until it is done, or give it longer with --lock-timeout"


class _Gate:
    """What the threads of this process share about one lock file."""

    def __init__(self) -> None:
        self.semaphore = threading.Semaphore(1)
        self.owner: int | None = None


_guard = threading.Lock()
_gates: dict[str, _Gate] = {}
_open: dict[int, "Lock | None"] = {}


def _forked() -> None:
    """In a forked child: it holds none of its parent's locks. Closing a copied descriptor leaves the parent's flock."""
    global _guard
    _guard = threading.Lock()
    _gates.clear()
    for fd, lock in _open.items():
        os.close(fd)
        if lock:
            lock.forget()
    _open.clear()


os.register_at_fork(before=lambda: _guard.acquire(), after_in_parent=lambda: _guard.release(), after_in_child=_forked)


class Lock:
    """An exclusive lock on the file `path`, made if missing: `with Lock(path, "the template store", 10.0): ...`.

    Waits up to `timeout` seconds for other threads and other processes, then raises Locked, naming the holder. Raises
    Failed when the file cannot be opened or its file system has no locks that other hosts see, and RuntimeError when
    this thread holds it already. A kill -9 frees it at once; a forked child does not hold it.
    """

    def __init__(self, path: str, what: str, timeout: float = 10.0) -> None:
        self.path, self.what, self.timeout = path, what, timeout
        self._fd = -1
        self._gate: _Gate | None = None

    @property
    def held(self) -> bool:
        return self._gate is not None and self._fd >= 0

    def forget(self) -> None:
        """It is the parent process that holds it, not this one."""
        self._fd, self._gate = -1, None

    def __enter__(self) -> "Lock":
        deadline = time.monotonic() + self.timeout
        gate = self._enter_gate()
        try:
            self._fd = self._lock_file(deadline)
        except BaseException:
            gate.owner = None
            gate.semaphore.release()
            raise
        self._gate = gate
        files.trace("locked", self.path)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._gate is None:
            return
        gate, fd = self._gate, self._fd
        self.forget()
        _close(fd)
        gate.owner = None
        gate.semaphore.release()

    def _enter_gate(self) -> _Gate:
        directory, name = os.path.split(self.path)
        with _guard:
            gate = _gates.setdefault(os.path.join(os.path.realpath(directory), name), _Gate())
        if gate.owner == threading.get_ident():
            raise RuntimeError(f"{self.what} is already locked by this very thread")
        if not gate.semaphore.acquire(timeout=max(self.timeout, 0)):
            raise Locked(f"{self.what} is locked by another thread of this process ({os.getpid()})", _WAIT)
        gate.owner = threading.get_ident()
        return gate

    def _lock_file(self, deadline: float) -> int:
        while True:
            fd = self._open_file(self.path)
            try:
                with self._turn(deadline):
                    self._wait(fd, deadline)
                if _is_at(fd, self.path):
                    write_holder(fd)
                    return fd
            except BaseException:
                _close(fd)
                raise
            _close(fd)  # somebody removed the file by hand meanwhile, and made another one that others lock

    @contextlib.contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Until it is this process' turn to wait for the lock.

        flock queues nobody: a writer that comes back at once would have the lock again before anybody who sleeps looks.
        With the turn, which one process has at a time, it cannot pass the one at the head. Who has waited half of its
        time does without: the one at the head may have been stopped.
        """
        fd = self._open_file(self.path + TURN)
        try:
            _poll(fd, self.path, (time.monotonic() + deadline) / 2, 0.004)
            yield
        finally:
            _close(fd)

    def _open_file(self, path: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with _guard:  # no fork between opening it and noting it
            try:
                fd = os.open(path, flags, 0o600)
            except OSError as error:
                raise files.failed("open the lock", path, error) from error
            _open[fd] = self
        return fd

    def _wait(self, fd: int, deadline: float) -> None:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Failed(f"the lock {self.path} is not a regular file", "remove it")
        refuse_local_locks(self.path, status.st_dev)
        if not _poll(fd, self.path, deadline, 0.0005):
            raise Locked(f"{self.what} is locked by {describe_holder(fd)}", _WAIT)


def _poll(fd: int, path: str, deadline: float, longest: float) -> bool:
    """Tries to lock until `deadline`, with pauses of about `longest` at most; whether it succeeded."""
    pause = 0.0002
    while not _try_lock(fd, path):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, longest * (0.75 + time.monotonic_ns() % 500 / 1000))  # not in step with the others
    return True


def _try_lock(fd: int, path: str) -> bool:
    """An exclusive flock without waiting: whether it succeeded. Raises Failed where the file system has no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise Failed(
            f"the file system of {path} cannot lock files: {error.strerror}",
            "keep it on a file system with locks, so that no two writers undo each other's work",
        ) from error
    return True


@contextlib.contextmanager
def shared(path: str) -> Iterator[bool]:
    """Shares the lock `path` with other readers if that can be done at once: yields whether it is held.

    Never waits. It is not held when a writer has it, when there is none yet, and when it may not be opened.
    """
    try:
        with _guard:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            _open[fd] = None
    except OSError:
        yield False
        return
    try:
        yield _can_lock(fd)
    finally:
        _close(fd)


def _can_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _close(fd: int) -> None:
    """Frees it for all copies of the descriptor that a fork may have made, then closes this one."""
    with _guard:
        if fd not in _open:  # a forked child closed it
            return
        del _open[fd]
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False
