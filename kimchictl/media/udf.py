"""The names in a UDF volume (ECMA-167, OSTA UDF), for the images that have no ISO 9660 beside it.

sector 256 or the last     anchor                          3/8.4.2.1
  -> main sequence         primary volume descriptor       3/10.1, its name cut to 31 characters
                           partition descriptor            3/10.5, where the content ends
                           logical volume descriptor       3/10.6, its name is what other tools show as the label
                           terminating descriptor          3/10.9
"""

import struct
from typing import NamedTuple

from kimchictl.media.sectors import SECTOR, Sectors

ANCHOR_SECTOR = 256

_SEQUENCE = 8  # sectors that are looked at: writers use six, with the three that count among the first four
_AT_ONCE = 4
_TAG = struct.Struct("<HxxB")  # 3/7.2: kind, checksum
_EXTENT = struct.Struct("<LL")  # 3/7.1: length in bytes, first sector
_PRIMARY, _ANCHOR, _PARTITION, _LOGICAL, _TERMINATING = 1, 2, 5, 6, 8


class UdfVolume(NamedTuple):
    """`blocks` is where the last partition ends, in sectors."""

    volume_id: str
    volume_set_id: str
    blocks: int


def read_volume(sectors: Sectors, size: int | None) -> UdfVolume | None:
    """The volume that the anchor of an image of `size` bytes leads to; None without one."""
    extent = _anchor(sectors, ANCHOR_SECTOR)
    if extent is None and size is not None:
        extent = _anchor(sectors, size // SECTOR - 1)
    if extent is None:
        return None
    length, start = extent
    wanted = min(-(-length // SECTOR), _SEQUENCE)
    volume, sequence, over = UdfVolume("", "", 0), b"", False
    while not over and len(sequence) < wanted * SECTOR:
        at = len(sequence) // SECTOR
        data = sectors.read(start + at, min(_AT_ONCE, wanted - at))
        sequence += data
        volume, over = _volume(sequence)
        over = over or not data
    return volume


def _volume(sequence: bytes) -> tuple[UdfVolume, bool]:
    """What the descriptors so far say, and whether there is nothing more to learn from those behind them."""
    primary = logical = volume_set = ""
    blocks = 0
    seen = set()
    for at in range(0, len(sequence), SECTOR):
        kind = _kind(sequence, at)
        seen.add(kind)
        if kind == _PRIMARY:
            primary, volume_set = _dstring(sequence[at + 24 : at + 56]), _dstring(sequence[at + 72 : at + 200])
        elif kind == _PARTITION:
            first, length = _EXTENT.unpack_from(sequence, at + 188)
            blocks = max(blocks, first + length)
        elif kind == _LOGICAL:
            logical = _dstring(sequence[at + 84 : at + 212])
        elif kind in (None, _TERMINATING):
            break
    over = not seen.isdisjoint((None, _TERMINATING)) or seen.issuperset((_PRIMARY, _PARTITION, _LOGICAL))
    return UdfVolume(logical or primary, volume_set, blocks), over


def _anchor(sectors: Sectors, sector: int) -> tuple[int, int] | None:
    """Length and start of the main sequence by the anchor in `sector` (3/10.2)."""
    data = sectors.read(sector) if sector > 0 else b""
    return _EXTENT.unpack_from(data, 16) if data and _kind(data, 0) == _ANCHOR else None


def _kind(data: bytes, at: int) -> int | None:
    """The kind of the descriptor at `at`; None when its tag's checksum says that it is none."""
    kind, checksum = _TAG.unpack_from(data, at)
    return kind if (sum(data[at : at + 16]) - checksum) & 0xFF == checksum else None


def _dstring(field: bytes) -> str:
    """An OSTA CS0 string (UDF 2.1.3): the last byte is its length, the first tells 8 or 16 bits a character."""
    used = field[1 : field[-1]]
    text = used.decode("utf-16-be", "replace") if field[0] == 16 else used.decode("latin-1")
    return text.partition("\0")[0].rstrip()
