"""Keeping other threads and other processes out: a semaphore orders the threads of this process, flock the processes.

    DIRECTORY/
      .lock   mode 0600, made once, never replaced and never removed; its text, "PID HOST COMMAND", names who locked it
              last: a courtesy to those who wait in vain, while /proc/locks says who holds it now

The semaphore is taken first, flock under it. Nobody waits for a person, a network or libvirt while holding one.
"""

import contextlib
import fcntl
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType

from kimchictl import files
from kimchictl.errors import Failed, Locked

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
            fd = self._open_file()
            try:
                self._wait(fd, deadline)
                if _is_at(fd, self.path):
                    write_holder(fd)
                    return fd
            except BaseException:
                _close(fd)
                raise
            _close(fd)  # somebody removed the file by hand meanwhile, and made another one that others lock

    def _open_file(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with _guard:  # no fork between opening it and noting it
            try:
                fd = os.open(self.path, flags, 0o600)
            except OSError as error:
                raise files.failed("open the lock", self.path, error) from error
            _open[fd] = self
        return fd

    def _wait(self, fd: int, deadline: float) -> None:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Failed(f"the lock {self.path} is not a regular file", "remove it")
        refuse_local_locks(self.path, status.st_dev)
        pause = 0.0005
        while not _try_lock(fd, self.path):
            if time.monotonic() >= deadline:
                raise Locked(f"{self.what} is locked by {holder(fd)}", _WAIT)
            time.sleep(min(pause, max(deadline - time.monotonic(), 0)))
            # At most 8 ms and never in step with others who wait: flock queues nobody, whoever asks first gets it.
            pause = min(pause * 1.5, 0.004 + time.monotonic_ns() % 4_000_000 / 1e9)


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
        _open.pop(fd, None)
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


# ---- who holds it ----------------------------------------------------------------------------------------------------

_WRITTEN = re.compile(r"(\d{1,10}) (\S+) (.*)")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
_KERNEL_LOCK = re.compile(r"^\d+: FLOCK +\S+ +\S+ (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


def holder(fd: int) -> str:
    """Who holds the flock on the file open as `fd`, for a sentence: "process 17 (kimchictl iso scan)"."""
    match = _WRITTEN.match(os.pread(fd, 4096, 0).decode("utf-8", "replace"))
    pid, host, command = (int(match[1]), match[2], match[3]) if match else (0, "", "")
    holding = _flock_pids(os.fstat(fd))
    if pid in holding:
        return f"process {pid} ({command})"
    if holding:  # a reader, who writes nothing, or one who has not written yet
        return f"process {holding[0]} ({_command_of(holding[0])})"
    if pid and (host != _host() or not os.path.exists(f"/proc/{pid}")):
        return f"a process that cannot be seen from here; process {pid} on {host} ({command}) was the last to say so"
    return "another process, which cannot be told from here"


def write_holder(fd: int) -> None:
    """Notes this process in its lock file. A full disk does not matter: `holder` asks the kernel first."""
    text = f"{os.getpid()} {_host()} {_printable(' '.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]))}\n"
    with contextlib.suppress(OSError):
        data = text.encode()
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))


def _flock_pids(status: os.stat_result) -> list[int]:
    """The processes which hold a flock on the file of `status`, as the kernel tells, but for those it hides from us."""
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as table:
            found = _KERNEL_LOCK.findall(table.read(1 << 22))
    except OSError:
        return []
    same = [entry for entry in found if int(entry[3]) == status.st_ino and int(entry[0]) > 0]
    device = (os.major(status.st_dev), os.minor(status.st_dev))
    # The kernel gives the superblock's device; stat(2) on btrfs and overlayfs another one: there the inode must do.
    exact = [entry for entry in same if (int(entry[1], 16), int(entry[2], 16)) == device]
    return [int(entry[0]) for entry in exact or same]


def _command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return _printable(line.read(4096).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace"))
    except OSError:
        return "its command is unknown"


def _printable(command: str) -> str:
    """At most 200 characters of `command` on one line, passwords in URLs left out."""
    clean = _PASSWORD.sub("***@", command)[:200]
    return "".join(character if character.isprintable() else "?" for character in clean)


def _host() -> str:
    return os.uname().nodename.replace(" ", "-") or "-"


# ---- file systems whose locks end at this host -----------------------------------------------------------------------

_local_only: dict[int, str | None] = {}


def refuse_local_locks(path: str, device: int) -> None:
    """Raises Failed when `path`, on `device`, is shared with other hosts by a mount that keeps its locks to itself."""
    if os.major(device):  # a disk of this host's own
        return
    if device not in _local_only:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
                _local_only[device] = local_locks(table.read(1 << 22), device)
        except OSError:
            _local_only[device] = None
    if option := _local_only[device]:
        raise Failed(
            f"the locks on {path} would not be seen by the other hosts that share it: it is mounted with {option}",
            f"mount it without {option}, or keep it on a file system of this host",
        )


def local_locks(mountinfo: str, device: int) -> str | None:
    """The option of the mount of `device` that keeps flock to this host, else None: proc(5) mountinfo, nfs(5)."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if before.split(" ")[2:3] != [wanted] or not after.startswith(("nfs ", "nfs4 ")):
            continue
        for option in after.split(" ")[-1].split(","):
            if option in ("nolock", "local_lock=flock", "local_lock=all"):
                return option
    return None
