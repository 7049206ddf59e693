"""What is remembered of the directories of a place, so that the next scan only asks whether each is still the same.

The file, all numbers little-endian, everything after the checksum covered by it:

    8   magic              "kimstmp1"
    4   CRC-32 of the rest
    4   directories        n
    4   runs               r
    4   bytes of all heads, parted by NUL
    4   bytes of all names, parted by NUL
    8n  stamps             ns: the later of mtime and ctime; 0 is UNKNOWN and equal to none
    8n  device numbers
    8n  inode numbers
        heads              r paths
        names              n paths below the head of the run, "." for the root

Parents come before what is below them. A run is 32 directories in that order, which are mostly close to each other, and
its head what their paths have in common: opened once, it spares the kernel the long way to each of them.
The file is only believed together with the index that names it; a damaged one costs a full scan and nothing else.
"""

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from itertools import islice

from kimchictl.errors import Damaged
from kimchictl.media.child import Child, processors
from kimchictl.media.walk import Trail

RUN = 32
_HEADER = struct.Struct("<8sIIIII")
_MAGIC = b"kimstmp1"
_CHECKED = 12  # where the part that the checksum covers begins
_MANY = 4096  # directories from which on a second process is worth its start
_HEAD = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Stamps:
    """The directories of a place as they were read: parallel sequences, in the order of the file."""

    __slots__ = ("_heads", "_names", "devices", "inodes", "stamps")

    def __init__(
        self, heads: list[bytes], names: list[bytes], stamps: "array[int]", devices: "array[int]", inodes: "array[int]"
    ) -> None:
        self._heads, self._names = heads, names
        self.stamps, self.devices, self.inodes = stamps, devices, inodes

    def __len__(self) -> int:
        return len(self._names)

    def paths(self) -> Iterator[bytes]:
        """The absolute paths."""
        names = iter(self._names)
        for head in self._heads:
            below = head if head.endswith(b"/") else head + b"/"
            for name in islice(names, RUN):
                yield head if name == b"." else below + name

    def altered(self, hazard: Callable[[bytes], bool] | None = None) -> list[int]:
        """The positions of those not as they were, or UNKNOWN. Paths of which `hazard` is true are not touched.

        Of many directories a second process asks for half: that is most of the work of a rescan.
        """
        half = len(self) // RUN // 2 * RUN
        first, second = range(half), range(half, len(self))
        if half < _MANY or processors() < 2:
            return self._check(first, hazard) + self._check(second, hazard)
        child = Child(lambda: array("q", self._check(second, hazard)).tobytes())
        mine = self._check(first, hazard)
        theirs = child.result()
        return mine + (self._check(second, hazard) if theirs is None else list(array("q", theirs)))

    def _check(self, these: range, hazard: Callable[[bytes], bool] | None) -> list[int]:
        """The same for the positions `these`, which begin where a run does."""
        altered: list[int] = []
        lstat = os.lstat
        names, stamps, devices, inodes = self._names, self.stamps, self.devices, self.inodes
        for start in range(these.start, these.stop, RUN):
            run = range(start, min(start + RUN, these.stop))
            fd = self._open_head(self._heads[start // RUN], run, hazard)
            if fd is None:
                altered += run
                continue
            for place in run:
                try:
                    now = lstat(names[place], dir_fd=fd)
                except OSError:
                    altered.append(place)
                    continue
                stamp, modified = now.st_ctime_ns, now.st_mtime_ns
                if modified > stamp:
                    stamp = modified
                if stamp != stamps[place] or now.st_ino != inodes[place] or now.st_dev != devices[place]:
                    altered.append(place)
            os.close(fd)
        return altered

    def _open_head(self, head: bytes, run: range, hazard: Callable[[bytes], bool] | None) -> int | None:
        """The head of `run` opened; None if it cannot be, or nothing of the run is to be asked for."""
        if not any(self.stamps[run.start : run.stop]):
            return None
        if hazard is not None and any(
            map(hazard, (head, *(head + b"/" + name for name in self._names[run.start : run.stop])))
        ):
            return None
        try:
            return os.open(head, _HEAD)
        except OSError:
            return None


def encode(trail: Trail) -> bytes:
    """`trail` as a file's content."""
    paths, stamps, devices, inodes = trail.paths, trail.stamps, trail.devices, trail.inodes
    heads: list[bytes] = []
    names: list[bytes] = []
    for start in range(0, len(paths), RUN):
        run = paths[start : start + RUN]
        heads.append(head := _common(run))
        cut = len(head.rstrip(b"/")) + 1
        names += [path[cut:] or b"." for path in run]
    all_heads, all_names = b"\0".join(heads), b"\0".join(names)
    numbers = b"".join(_little(column).tobytes() for column in (stamps, devices, inodes))
    lengths = _HEADER.pack(_MAGIC, 0, len(paths), len(heads), len(all_heads), len(all_names))[_CHECKED:]
    checksum = zlib.crc32(all_names, zlib.crc32(all_heads, zlib.crc32(numbers, zlib.crc32(lengths))))
    return b"".join((_MAGIC, checksum.to_bytes(4, "little"), lengths, numbers, all_heads, all_names))


def decode(content: bytes) -> Stamps:
    """The stamps in a file's content. Raises Damaged."""
    if len(content) < _HEADER.size:
        raise Damaged("the stamps are cut short")
    magic, checksum, count, runs, heads_size, names_size = _HEADER.unpack_from(content)
    numbers = _HEADER.size + 24 * count
    if magic != _MAGIC or len(content) != numbers + heads_size + names_size:
        raise Damaged("these are no stamps, or of another version")
    view = memoryview(content)
    if zlib.crc32(view[_CHECKED:]) != checksum:
        raise Damaged("the stamps are damaged")
    columns = []
    for place, kind in enumerate("qQQ"):
        column = array(kind)
        column.frombytes(view[_HEADER.size + 8 * count * place : _HEADER.size + 8 * count * (place + 1)])
        columns.append(_little(column))
    heads = content[numbers : numbers + heads_size].split(b"\0")
    names = content[numbers + heads_size :].split(b"\0")
    if len(names) != count or len(heads) != runs or runs != -(-count // RUN):
        raise Damaged("the stamps are damaged")
    return Stamps(heads, names, *columns)


def _little(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


def _common(run: list[bytes]) -> bytes:
    """The deepest directory that all of `run` lie below (or are, if it is the root)."""
    first, last = min(run), max(run)
    # What these two begin with alike, all between them do. The last component may go on in different ways.
    common = os.path.commonprefix((first, last))  # noqa: RUF071 - characters are meant
    return common[: common.rindex(b"/")] or b"/"
