"""The file in which a download grows: beside its target, locked while it is written, gone when it fails.

See `download` for the names and who holds which lock.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kimchictl.errors import Exists, Failed, Locked
from kimchictl.files import failed, sync_directory
from kimchictl.locks.holder import describe_holder


class Part:
    """An open, locked part file at `path`."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor, self.path = descriptor, path

    def empty(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)

    def free(self) -> int:
        status = os.fstatvfs(self.descriptor)
        return status.f_bavail * status.f_frsize

    def write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def publish(self, path: str) -> None:
        """Give it its name, which must still be free. Raises Exists, Failed."""
        try:
            umask = os.umask(0o077)
            os.umask(umask)
            os.fchmod(self.descriptor, 0o644 & ~umask)
            os.fsync(self.descriptor)
            try:
                os.link(self.path, path)
                os.unlink(self.path)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
                    raise
                if os.path.lexists(path):
                    raise FileExistsError from None
                os.rename(self.path, path)  # a file system without links
        except FileExistsError:
            raise Exists(f"{path} was made by somebody else meanwhile") from None
        except OSError as error:
            raise failed("write", path, error) from error
        sync_directory(os.path.dirname(path) or ".", path)


def part_path(path: str, mark: str = "") -> str:
    """Where the part file for `path` is. A long name is cut, and not inside of a character."""
    directory, name = os.path.split(path)
    stem = name
    while len(os.fsencode(stem)) > 240 - len(mark):
        stem = stem[:-1]
    return os.path.join(directory, f".{stem}{f'.{mark}' if mark else ''}.part")


@contextmanager
def part_file(path: str, mark: str = "", keep: bool = False) -> Iterator[Part]:
    """The part file for `path`, locked; gone afterwards, one way or the other. `mark` becomes a part of its name.

    With `keep` it stays when the block fails and something is in it.
    """
    part = Part(-1, part_path(path, mark))
    try:
        part.descriptor = _open_locked(part.path, path)
    except OSError as error:
        raise failed("write", part.path, error) from error
    try:
        yield part
    finally:
        with suppress(OSError):
            status = os.fstat(part.descriptor)
            if not (keep and status.st_size) and os.path.samestat(status, os.lstat(part.path)):
                os.unlink(part.path)
        os.close(part.descriptor)


def _open_locked(part: str, path: str) -> int:
    """Open and lock the part file. Raises OSError, Locked, Failed."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                raise Failed(f"{part} is not a file of one's own", "remove it")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                whom = describe_holder(descriptor)
                raise Locked(f"{path} is being fetched by {whom}", "wait until it is done") from None
            # Who held it before may have published or removed it since it was opened.
            if os.path.lexists(part) and os.path.samestat(os.fstat(descriptor), os.lstat(part)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
