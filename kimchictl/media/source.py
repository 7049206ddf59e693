"""Where an image's bytes come from: `read(offset, size)` over a file, a block device, or anything else that can seek.

    Source            what the reader of descriptors asks for, and what a scan remembers: location, kind, size, mtime
    `-- FileSource    a regular file or a block device of this machine

A source over the network or over a libvirt volume's stream is a subclass with the same four attributes and `read`.
Paths are a stranger's: a pipe would block, opening a watchdog's device node reboots the machine, a link leads out of
the tree. So the type is looked at before the file is opened, links are resolved before (by `open_source`) and not
followed after, and what was opened is looked at once more, since a name can change hands in between.
"""

import errno
import os
import stat
from types import TracebackType
from typing import Self

from kimchictl.errors import Failed, Invalid, KimchiError, NotFound

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFLNK: "a symbolic link",
}


class Unreadable(Failed):
    """An image that is there and cannot be opened or read; `reason` is why, without its name."""

    def __init__(self, what: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{what}: {reason}", hint)
        self.reason = reason


class Source:
    """A readable image. `location` is its real path or its URL, `kind` file, device, pool or url.

    `size` is the length in bytes, `mtime` seconds since the epoch; either is None where it cannot be told.
    Closed by `close()` or by leaving the `with` block.
    """

    __slots__ = ("kind", "location", "mtime", "size")

    def __init__(self, location: str, kind: str, size: int | None, mtime: float | None = None) -> None:
        self.location = location
        self.kind = kind
        self.size = size
        self.mtime = mtime

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end of the image. Raises Unreadable, TimedOut."""
        raise NotImplementedError

    def next_data(self, offset: int) -> int:
        """Where from `offset` on may be anything but zeros: there itself, unless a hole is known to begin there."""
        return offset

    def close(self) -> None:
        """Give back what the source holds open; reading afterwards is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class FileSource(Source):
    """A regular file or a block device, read with pread: a file that shrinks under the reader only reads short."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: str) -> None:
        """Open `path`, which must be real already: a link is refused. Raises NotFound, Unreadable, Invalid."""
        self._descriptor = -1
        try:
            _require_readable_kind(path, os.lstat(path).st_mode)
            self._descriptor = os.open(path, _FLAGS)
            status = os.fstat(self._descriptor)
            _require_readable_kind(path, status.st_mode)
            device = stat.S_ISBLK(status.st_mode)
            size = os.lseek(self._descriptor, 0, os.SEEK_END) if device else status.st_size
        except (OSError, ValueError) as error:
            self.close()
            raise _explained(path, error) from error
        except KimchiError:
            self.close()
            raise
        # A device node's mtime says when the node was made, nothing of the medium in it.
        super().__init__(path, "device" if device else "file", size, None if device else status.st_mtime)

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end. Raises Unreadable (an I/O error)."""
        try:
            data = os.pread(self._descriptor, size, offset)
            while 0 < len(data) < size:  # a device may give less than asked for before its end
                more = os.pread(self._descriptor, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise Unreadable(f"image {self.location!r} cannot be read", _reason(error)) from error
        return data

    def next_data(self, offset: int) -> int:
        """The same; the file's end, as it is now, where nothing but a hole is left."""
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            return max(offset, os.fstat(self._descriptor).st_size) if error.errno == errno.ENXIO else offset

    def close(self) -> None:
        """Close the file; harmless when it is closed already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_source(path: str) -> Source:
    """The image at `path`: made absolute, its links resolved, opened. Raises NotFound, Unreadable, Invalid."""
    try:
        real = os.path.realpath(path, strict=True)
    except (OSError, ValueError) as error:
        raise _explained(path, error) from error
    return FileSource(real)


def _require_readable_kind(path: str, mode: int) -> None:
    """Only a regular file or a block device is read. Raises Invalid for what else a name can stand for."""
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return
    what = _KINDS.get(stat.S_IFMT(mode), "neither a file nor a block device")
    hint = f"kimchictl iso scan --deep {path}" if stat.S_ISDIR(mode) and path.isprintable() else None
    raise Invalid(f"{path!r} is {what}, not an image", hint)


def _explained(path: str, error: OSError | ValueError) -> KimchiError:
    """Our error for what the kernel said of `path`; a ValueError is Python's for a NUL in the path."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"image {path!r} does not exist")
    return Unreadable(f"image {path!r} cannot be opened", _reason(error))


def _reason(error: OSError | ValueError) -> str:
    """What went wrong in a few lower-case words, as the C library puts it."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]
