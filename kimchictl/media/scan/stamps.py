"""What is remembered of the directories of a place, so that the next scan only asks whether each is still the same.

The file, all numbers little-endian, everything after the checksum covered by it:

    8   magic              "kimstmp3"
    4   CRC-32 of the rest
    4   directories        n
    4   runs               r
    4   bytes of all heads, parted by NUL
    4   bytes of all names, parted by NUL, and by two NULs where a run ends
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
from contextlib import closing
from itertools import accumulate

from kimchictl.errors import Damaged
from kimchictl.media.scan.child import Child, Shares, processors
from kimchictl.media.scan.trail import RUN, Trail

_HEADER = struct.Struct("<8sIIIII")
_MAGIC = b"kimstmp3"
_CHECKED = 12  # where the part that the checksum covers begins
_MANY = 4096  # directories from which on a second process is worth its start
_HEAD = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Stamps:
    """The directories of a place as they were read: parallel sequences, in the order of the file.

    The names of a run stay one text until it is looked at, which one of two processes does.
    """

    __slots__ = ("_heads", "_names", "_starts", "devices", "inodes", "stamps")

    def __init__(self, lengths: "array[int]", heads: list[bytes], names: list[bytes], *columns: "array[int]") -> None:
        """`lengths`, `heads` and `names` are of the runs, the three `columns` of the file of all directories."""
        self._heads, self._names = heads, names
        self._starts = [0, *accumulate(lengths)]
        self.stamps, self.devices, self.inodes = columns

    def __len__(self) -> int:
        return len(self.stamps)

    def paths(self) -> Iterator[bytes]:
        """The absolute paths."""
        for head, names in zip(self._heads, self._names, strict=True):
            below = head if head.endswith(b"/") else head + b"/"
            for name in names.split(b"\0"):
                yield head if name == b"." else below + name

    def altered(self, hazard: Callable[[bytes], bool] | None = None) -> list[int]:
        """The positions of those not as they were, or UNKNOWN. Paths of which `hazard` is true are not touched.

        Of many directories a second process asks for half: that is most of the work of a rescan.
        """
        runs = range(len(self._heads))
        if len(self) < _MANY or processors() < 2:
            return self._check(runs, hazard)

        def take() -> list[int]:
            return [place for share in shares for place in self._check(runs[share], hazard)]

        with closing(Shares(len(runs))) as shares, Child(lambda: array("q", take()).tobytes()) as child:
            mine, theirs = take(), child.result()
        return self._check(runs, hazard) if theirs is None else mine + list(array("q", theirs))

    def _check(self, runs: range, hazard: Callable[[bytes], bool] | None) -> list[int]:
        """The same for some of the runs."""
        altered: list[int] = []
        lstat = os.lstat
        for number in runs:
            head, names = self._heads[number], self._names[number].split(b"\0")
            run = slice(self._starts[number], self._starts[number + 1])
            places, stamps = range(run.start, run.stop), self.stamps[run]
            fd = _open_head(head, names, hazard) if any(stamps) else None
            if fd is None:
                altered += places
                continue
            for place, name, stamp, device, inode in zip(
                places, names, stamps, self.devices[run], self.inodes[run], strict=False
            ):
                if not stamp:  # UNKNOWN, which a file system without times must not be equal to
                    altered.append(place)
                    continue
                try:
                    now = lstat(name, dir_fd=fd)
                except OSError:
                    altered.append(place)
                    continue
                # Nothing changes mtime and leaves ctime, which is mostly the later one: then it need not be asked for.
                if (now.st_ctime_ns != stamp and max(now.st_ctime_ns, now.st_mtime_ns) != stamp) or (
                    now.st_ino != inode or now.st_dev != device
                ):
                    altered.append(place)
            os.close(fd)
        return altered


def _open_head(head: bytes, names: list[bytes], hazard: Callable[[bytes], bool] | None) -> int | None:
    """The head of a run opened; None if it cannot be, or something in the run must not be touched."""
    if hazard is not None and any(map(hazard, (head, *(head + b"/" + name for name in names)))):
        return None
    try:
        return os.open(head, _HEAD)
    except OSError:
        return None


def encode(trail: Trail) -> bytes:
    """`trail` as a file's content."""
    trail.close_run()
    heads, names = b"\0".join(trail.heads), b"\0\0".join(trail.names)
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
    names = content[texts + heads_size :].split(b"\0\0")
    if len(names) != runs or len(heads) != runs or sum(lengths) != count or max(lengths) > RUN:
        raise Damaged("the stamps are damaged")
    return Stamps(lengths, heads, names, *columns)


def _little(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
