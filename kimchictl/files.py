"""One way to write a file.

DIRECTORY/
  .tmp-PID-HEX   what `replace_file` is writing; what a killed process left is swept by `kimchictl.store`
  NAME           replaced whole: a reader sees the old content or the new, never a part of either
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable

from kimchictl.errors import Failed

TEMPORARY = b".tmp-"


def _no_trace(point: str, path: str) -> None:
    """Called at each step of a write; a test puts in its place what kills the process, or raises OSError, there."""


trace: Callable[[str, str], None] = _no_trace

_HINTS = {
    errno.ENOSPC: "free some space on its file system",
    errno.EDQUOT: "the disk quota of this user is used up",
    errno.EROFS: "its file system is mounted read-only",
    errno.EACCES: "run the command as a user who may write there",
    errno.EPERM: "run the command as a user who may write there",
}


def failed(doing: str, path: str, error: OSError) -> Failed:
    """`error` as ours: "cannot DOING PATH: why", with the next step where there is one."""
    return Failed(f"cannot {doing} {path}: {error.strerror or error}", _HINTS.get(error.errno or 0))


def replace_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Makes `data` the whole content of `path`, in one step for readers and lasting through a crash.

    A file that was there keeps its permissions and, if possible, its owner; a new one gets `mode` less the umask. A
    symbolic link is replaced by a file, what it points to is left alone. Raises Failed: then the old content stands,
    unless the message says otherwise.
    """
    directory = os.path.dirname(path) or "."
    temporary = os.path.join(directory, f"{TEMPORARY.decode()}{os.getpid()}-{os.urandom(6).hex()}")
    try:
        _write_new(temporary, data, mode, _old_status(path))
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise failed("write", path, error) from error
        raise
    trace("renamed", path)
    sync_directory(directory, path)


def remove_file(path: str) -> None:
    """Removes `path` for good, crash or not. Raises Failed."""
    try:
        os.unlink(path)
    except OSError as error:
        raise failed("remove", path, error) from error
    trace("unlinked", path)
    sync_directory(os.path.dirname(path) or ".", path)


def move_file(old: str, new: str) -> None:
    """Gives `old` the path `new`, which must be in the same directory and free. Raises Failed."""
    try:
        os.rename(old, new)
    except OSError as error:
        raise failed("rename", old, error) from error
    trace("moved", new)
    sync_directory(os.path.dirname(new) or ".", new)


def make_directory(path: str) -> None:
    """Makes `path` and what is missing above it, mode 0755 less the umask. Raises Failed."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path.rstrip("/"))
    if parent:
        make_directory(parent)
    try:
        os.mkdir(path, 0o755)
    except FileExistsError as error:
        if not os.path.isdir(path):
            raise failed("make the directory", path, NotADirectoryError(errno.ENOTDIR, "it is a file")) from error
        return
    except OSError as error:
        raise failed("make the directory", path, error) from error
    sync_directory(parent or ".", path)


def sync_directory(directory: str, changed: str) -> None:
    """Makes the change of the entry `changed` of `directory` last. Raises Failed; the change itself is done by then."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        trace("directory-synced", changed)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EACCES):  # a file system without it; a directory one may not list
            why = f"{changed} was changed, but the change may not survive a crash: {error.strerror}"
            raise Failed(why, "look after the disk below it") from error


def _old_status(path: str) -> os.stat_result | None:
    """What a replacement takes over from the file it replaces; None when there is no such regular file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _write_new(path: str, data: bytes, mode: int, like: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600 if like else mode)
    try:
        trace("opened", path)
        if like:
            take_over(fd, like)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        trace("written", path)
        os.fsync(fd)
        trace("synced", path)
    finally:
        os.close(fd)


def take_over(fd: int, like: os.stat_result) -> None:
    """Gives the file `fd` the permissions and, if possible, the owner of another. Raises OSError."""
    mode = stat.S_IMODE(like.st_mode) & 0o777
    try:
        os.fchown(fd, like.st_uid, like.st_gid)
    except OSError:
        # Who may write the directory may still not give files away: then the strange group gets what anybody gets.
        mode = mode & ~0o070 | (mode & 0o007) << 3
    os.fchmod(fd, mode)
