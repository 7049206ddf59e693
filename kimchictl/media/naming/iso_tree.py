"""The files of an ISO 9660 volume, with Rock Ridge's names where it has them, or Joliet's (ECMA-119)."""

import struct
from collections.abc import Iterator
from functools import partial

from kimchictl.media.descriptors import Volume
from kimchictl.media.naming.nodes import Directories, Node, Opener
from kimchictl.media.sectors import SECTOR
from kimchictl.media.source import Source

# ECMA-119 9.1: length, extended attributes, extent, data length, flags, unit, gap, sequence, length of the identifier.
_RECORD = struct.Struct("<BBL4xL4x7xBBB4xB")
_IS_DIRECTORY, _MORE_EXTENTS = 0x02, 0x80


class IsoTree:
    """The tree of one volume descriptor: the primary one, with Rock Ridge's names where it has them, or Joliet's."""

    def __init__(self, source: Source, volume: Volume) -> None:
        self._directories, self._volume = Directories(source), volume

    def root(self) -> Node | None:
        extent, length = self._volume.root
        return Node(True, ((extent * self._volume.block_size, length),)) if extent and length else None

    def entries(self, directory: Node) -> Iterator[tuple[str, Opener]]:
        data = self._directories.read(directory)
        at = 0
        while at + _RECORD.size <= len(data):
            length, attributes, extent, size, flags, unit, gap, name_length = _RECORD.unpack_from(data, at)
            if length == 0:
                at = (at // SECTOR + 1) * SECTOR  # ECMA-119 6.8.1.1: no record crosses a sector's end
                continue
            if length < _RECORD.size + name_length or at + length > len(data):
                return
            record = data[at : at + length]
            at += length
            if unit or gap or flags & _MORE_EXTENTS:
                continue  # interleaved or in several extents: nothing that is looked for
            start = (extent + attributes) * self._volume.block_size
            node = Node(bool(flags & _IS_DIRECTORY), ((start, size),))
            yield self._name(record, name_length), partial(_same, node)

    def _name(self, record: bytes, length: int) -> str:
        name = record[_RECORD.size : _RECORD.size + length]
        if self._volume.kind == "joliet":
            text = name[: len(name) & ~1].decode("utf-16-be", "replace")
        else:
            text = _rock_ridge_name(record[_RECORD.size + length + (length + 1) % 2 :]) or name.decode("latin-1")
        return text.partition(";")[0].rstrip(".")


def _same(node: Node) -> Node:
    return node


def _rock_ridge_name(area: bytes) -> str:
    """The alternate name in a record's system use area (RRIP 4.1.4), as far as it is in the record itself."""
    name = b""
    while len(area) >= 5 and 4 <= area[2] <= len(area):
        if area[:2] == b"NM":
            name += area[5 : area[2]]
        area = area[area[2] :]
    return name.decode("utf-8", "replace")
