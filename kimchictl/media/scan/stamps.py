"""What is remembered of the directories of a place, so that the next scan only asks whether each is still the same.

The file, all numbers little-endian, everything after the checksum covered by it:

    8   magic              "kimstmp2"
    4   CRC-32 of the rest
    4   directories        n
    4   runs               r
    4   bytes of all heads, parted by NUL
    4   bytes of all names, parted by NUL
    r   lengths            of the runs
    8n  stamps             ns: the later of mtime and ctime; 0 is UNKNOWN and equal to none
    8n  device numbers
    8n  inode numbers
        heads              r paths
        names              n paths below the head of the run, "." for the root

Parents come before what is below them. A run's head (see kimchictl.media.scan.trail) is opened once and spares
the kernel the long way to each of its directories.
The file is only believed together with the index that names it; a damaged one costs a full scan and nothing else.
"""

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate

from kimchictl.errors import Damaged
from kimchictl.media.scan.child import Child, processors
from kimchictl.media.scan.trail import RUN, Trail

_HEADER = struct.Struct("<8sIIIII")
_MAGIC = b"kimstmp2"
_CHECKED = 12  # where the part that the checksum covers begins
_MANY = 4096  # directories from which on a second process is worth its start
_HEAD = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Stamps:
    """The directories of a place as they were read: parallel sequences, in the order of the file."""

    __slots__ = ("_heads", "_names", "_starts", "devices", "inodes", "stamps")

    def __init__(self, lengths: "array[int]", heads: list[bytes], names: list[bytes], *columns: "array[int]") -> None:
        """`lengths` and `heads` are of the runs; `names` and the three `columns` of the file of all directories."""
        self._heads, self._names = heads, names
        self._starts = [0, *accumulate(lengths)]
        self.stamps, self.devices, self.inodes = columns

    def __len__(self) -> int:
        return len(self._names)

    def paths(self) -> Iterator[bytes]:
        """The absolute paths."""
        for head, start, stop in zip(self._heads, self._starts, self._starts[1:], strict=False):
            below = head if head.endswith(b"/") else head + b"/"
            for name in self._names[start:stop]:
                yield head if name == b"." else below + name

    def altered(self, hazard: Callable[[bytes], bool] | None = None) -> list[int]:
        """The positions of those not as they were, or UNKNOWN. Paths of which `hazard` is true are not touched.

        Of many directories a second process asks for half: that is most of the work of a rescan.
        """
        first, second = range(len(self._heads) // 2), range(len(self._heads) // 2, len(self._heads))
        if len(self) < _MANY or processors() < 2:
            return self._check(first, hazard) + self._check(second, hazard)
        with Child(lambda: array("q", self._check(second, hazard)).tobytes()) as child:
            mine = self._check(first, hazard)
            theirs = child.result()
        return mine + (self._check(second, hazard) if theirs is None else list(array("q", theirs)))

    def _check(self, runs: range, hazard: Callable[[bytes], bool] | None) -> list[int]:
        """The same for some of the runs."""
        altered: list[int] = []
        lstat = os.lstat
        names, stamps, devices, inodes = self._names, self.stamps, self.devices, self.inodes
        for number in runs:
            run = range(self._starts[number], self._starts[number + 1])
            fd = self._open_head(self._heads[number], run, hazard)
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
    trail.close_run()
    heads, names = b"\0".join(trail.heads), b"\0".join(trail.names)
    lengths = _HEADER.pack(_MAGIC, 0, len(trail), len(trail.heads), len(heads), len(names))[_CHECKED:]
    numbers = [_little(column).tobytes() for column in (trail.stamps, trail.devices, trail.inodes)]
    parts = (lengths, trail.lengths.tobytes(), *numbers, heads, names)
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return b"".join((_MAGIC, checksum.to_bytes(4, "little"), *parts))


def decode(content: bytes) -> Stamps:
    """The stamps in a file's content. Raises Damaged."""
    if len(content) < _HEADER.size:
        raise Damaged("the stamps are cut short")
    magic, checksum, count, runs, heads_size, names_size = _HEADER.unpack_from(content)
    numbers = _HEADER.size + runs
    texts = numbers + 24 * count
    if magic != _MAGIC or len(content) != texts + heads_size + names_size:
        raise Damaged("these are no stamps, or of another version")
    view = memoryview(content)
    if zlib.crc32(view[_CHECKED:]) != checksum:
        raise Damaged("the stamps are damaged")
    lengths = array("B", content[_HEADER.size : numbers])
    columns = []
    for place, kind in enumerate("qQQ"):
        column = array(kind)
        column.frombytes(view[numbers + 8 * count * place : numbers + 8 * count * (place + 1)])
        columns.append(_little(column))
    heads = content[texts : texts + heads_size].split(b"\0")
    names = content[texts + heads_size :].split(b"\0")
    if len(names) != count or len(heads) != runs or sum(lengths) != count or max(lengths) > RUN:
        raise Damaged("the stamps are damaged")
    return Stamps(lengths, heads, names, *columns)


def _little(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
