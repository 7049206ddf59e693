"""Reading the layers of a store at one moment, without waiting for anybody.

No reader needs a lock for it (one who reads another's /etc may not even open the lock file): it takes the stamps of all
directories, reads the files, takes the stamps again. Every way to write here - a file replaced, created, renamed or
removed - changes the stamp of the directory; the directory is listed under the kernel's lock on it, so a change whose
stamp was there before the listing is in it; and a later one shows in the second stamp. Two traps:

- The clock of the stamps stands still between two ticks (up to 10 ms), so a second change in one tick leaves no trace.
  A stamp only counts when that clock has gone past it.
- A file edited in place, by an editor or `cp`, changes no directory. Half of one is most likely not JSON: a damaged
  file that was written just now is looked at again.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Collection, Mapping, Sequence

from kimchictl.errors import Failed
from kimchictl.files import TEMPORARY, failed
from kimchictl.store.documents import (
    LARGEST_FILE,
    SUFFIX,
    DamagedFile,
    Document,
    Layer,
    Listing,
    Unfit,
    check_entry,
    decode,
    encode,
    name_of_file,
)

Stamp = tuple[int, int, int, int] | None

_COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE of Linux, the clock of file time stamps; the time module does not name it."""

_OTHER_CLOCK_NS = 50_000_000
_SECOND_NS = 1_000_000_000
_YOUNG_NS = 50_000_000

NOTHING: Mapping[bytes, str] = {}

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def stamp_of(path: str) -> Stamp:
    """What changes when an entry of the directory `path` does; None when there is no directory."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def clock_of_stamps() -> int:
    """The time that a change made now would be stamped with, in nanoseconds."""
    try:
        return time.clock_gettime_ns(_COARSE_CLOCK)
    except OSError:
        return time.time_ns() - 20_000_000


def is_fresh(stamp: Stamp, clock: int) -> bool:
    """Whether a change after `stamp` was taken, at `clock` or later, could leave it as it is."""
    if stamp is None:
        return False
    latest = max(stamp[2], stamp[3])
    if latest % _SECOND_NS == 0:  # a file system that counts whole seconds (ext4 with small inodes), or even ones (FAT)
        return latest <= clock < latest + 2 * _SECOND_NS
    # A stamp well ahead is of another host's clock, or the clock was set back: a change now would bring another one.
    return clock <= latest < clock + _OTHER_CLOCK_NS


class Reading:
    """One attempt: reads the layers lowest first into `documents`, `damaged` and the `leftovers` of killed writers."""

    def __init__(self, kind: str, known: Mapping[bytes, str]) -> None:
        self.kind, self.known = kind, known
        self.documents: dict[str, Document] = {}
        self.damaged: list[DamagedFile] = []
        self.leftovers: list[str] = []
        self.moved = False
        """A file went away between the listing and its turn: the directory has changed."""
        self.young = False
        """A damaged file was written just now: perhaps it is being written still."""

    def listing(self) -> Listing:
        return Listing(self.kind, dict(sorted(self.documents.items())), tuple(self.damaged))

    def read_layer(self, layer: Layer) -> None:
        try:
            directory = os.open(layer.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            self.damaged.append(DamagedFile(layer.path, _why(error)))
            return
        try:
            files = [os.fsencode(name) for name in os.listdir(directory)]
            self._read_files(layer, directory, sorted(file for file in files if file.endswith(SUFFIX)))
        finally:
            os.close(directory)
        self.leftovers += [os.path.join(layer.path, os.fsdecode(file)) for file in files if file.startswith(TEMPORARY)]

    def _read_files(self, layer: Layer, directory: int, files: list[bytes]) -> None:
        documents: dict[str, Document] = {}
        below, known = self.documents, self.known.get
        for file in files:
            if file.startswith(b"."):
                continue
            try:
                raw = read_bytes(file, directory)
                value, name = None, known(raw)
                if name is None:
                    value = decode(raw)
                    if type(value) is list:
                        self._add_list(layer, file, value, documents)
                        continue
                    name = check_entry(value)
            except (Unfit, OSError) as error:
                self._add_damaged(layer, directory, file, error)
                continue
            if name in documents:
                self._add_second(documents[name], f"{layer.path}/{os.fsdecode(file)}")
            else:
                documents[name] = Document(name, value, layer, file, raw, False, below.get(name))
        below.update(documents)

    def _add_list(self, layer: Layer, file: bytes, entries: list[object], documents: dict[str, Document]) -> None:
        path = os.path.join(layer.path, os.fsdecode(file))
        for number, entry in enumerate(entries, 1):
            try:
                name = check_entry(entry)
            except Unfit as error:
                self.damaged.append(DamagedFile(f"{path}, entry {number},", str(error)))
                continue
            if name in documents:
                self._add_second(documents[name], f"{path}, entry {number},")
            else:
                documents[name] = Document(name, entry, layer, file, encode(entry), True, self.documents.get(name))  # type: ignore[arg-type]

    def _add_second(self, first: Document, path: str) -> None:
        reason = f"has the name {first.name!r}, which {first.path} has already, and is left out"
        self.damaged.append(DamagedFile(path, reason, first.name))

    def _add_damaged(self, layer: Layer, directory: int, file: bytes, error: Unfit | OSError) -> None:
        status = None
        with contextlib.suppress(OSError):
            status = os.stat(file, dir_fd=directory, follow_symlinks=False)
        if status is None:
            self.moved = True
            return
        self.young = self.young or abs(time.time_ns() - status.st_mtime_ns) < _YOUNG_NS
        path = os.path.join(layer.path, os.fsdecode(file))
        if isinstance(error, OSError):
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise failed("read", path, error) from error
            reason = "is a link to nothing" if stat.S_ISLNK(status.st_mode) else _why(error)
        else:
            reason = str(error)
        self.damaged.append(DamagedFile(path, reason, name_of_file(file)))


def _why(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "may not be read by this user"
    return f"cannot be read: {error.strerror}"


def read_bytes(file: bytes | str, directory: int | None = None) -> bytes:
    """The content of the regular file `file`, which may be a link to one. Raises OSError and Unfit; never blocks."""
    fd = os.open(file, _OPEN, dir_fd=directory)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit("is not a regular file")
        if status.st_size > LARGEST_FILE:
            raise Unfit("is larger than 1 MiB")
        raw = os.read(fd, status.st_size + 1)
        while len(raw) > status.st_size and len(raw) <= LARGEST_FILE and (more := os.read(fd, 1 << 16)):
            raw += more  # it grows while it is read
        return raw
    finally:
        os.close(fd)


def read_layers(
    kind: str,
    layers: Sequence[Layer],
    locked: Collection[Layer],
    settle: bool,
    known: Mapping[bytes, str] = NOTHING,
) -> Reading | None:
    """One attempt to read `layers`, lowest first, as they are at one moment; None when it did not succeed.

    `known` holds the names of documents by their content: such a file need not be decoded.

    The `locked` ones are safe from other writers of ours, so that their stamps may be fresh. With `settle` a damaged
    file that is just being written counts as a failure.
    """
    clock = clock_of_stamps()
    before = [stamp_of(layer.path) for layer in layers]
    if any(is_fresh(stamp, clock) for stamp, layer in zip(before, layers, strict=True) if layer not in locked):
        return None
    reading = Reading(kind, known)
    for number, layer in enumerate(layers):
        if before[number] is None or before[number][:2] not in [stamp[:2] for stamp in before[number + 1 :] if stamp]:  # type: ignore[index]
            reading.read_layer(layer)
    after = [stamp_of(layer.path) for layer in layers]
    if before != after or reading.moved or (settle and reading.young):
        return None
    return reading


def must_be_readable(layer: Layer, reading: Reading) -> None:
    """Raises Failed when `layer` could not be listed: then nobody can tell which names are taken."""
    for file in reading.damaged:
        if file.path == layer.path:
            raise Failed(str(file))
