"""Single files of a medium, found by walking its own directory records: ISO 9660, Joliet (ECMA-119) or UDF (ECMA-167).

The medium is never opened whole: to find `a/b` costs a read of the root directory and one of `a`. A directory is read
as far as MAX_DIRECTORY; what a record says is believed only as far as the medium reaches.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from kimchictl.media.descriptors import Descriptors, Volume
from kimchictl.media.sectors import SECTOR
from kimchictl.media.source import Source

MAX_DIRECTORY = 384 << 10

# ECMA-119 9.1: length, extended attributes, extent, data length, flags, unit, gap, sequence, length of the identifier.
_RECORD = struct.Struct("<BBL4xL4x7xBBB4xB")
_IS_DIRECTORY, _MORE_EXTENTS = 0x02, 0x80


class Node(NamedTuple):
    """A file or directory: where its bytes are, as (offset, length) pairs, or its content where that is inline."""

    directory: bool
    extents: tuple[tuple[int, int], ...]
    inline: bytes = b""

    @property
    def size(self) -> int:
        return len(self.inline) or sum(length for _, length in self.extents)


Opener = Callable[[], Node | None]


class Tree(Protocol):
    """A tree of files of a medium."""

    def root(self) -> Node | None:
        """The root directory, None where there is none that can be read."""

    def entries(self, directory: Node) -> Iterator[tuple[str, Opener]]:
        """The names in a directory, in the medium's order, each with what opens it."""


def read_node(source: Source, node: Node, offset: int, size: int) -> bytes:
    """The `size` bytes at `offset` of a file or directory, fewer at its end."""
    if node.inline:
        return node.inline[offset : offset + size]
    parts = []
    for start, length in node.extents:
        if offset < length and size > 0:
            data = source.read(start + offset, min(size, length - offset))
            parts.append(data)
            size -= len(data)
            offset += len(data)
            if offset < length:
                break
        offset -= length
    return b"".join(parts)


class Directories:
    """The content of directories, each read once however many names are looked for in it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: dict[Node, bytes] = {}

    def read(self, directory: Node) -> bytes:
        """The records in `directory`, as far as MAX_DIRECTORY."""
        if directory not in self._read:
            self._read[directory] = read_node(self._source, directory, 0, min(directory.size, MAX_DIRECTORY))
        return self._read[directory]


def find(tree: Tree, path: str) -> Node | None:
    """The file or directory at `path`; names are compared without case, as no two names of a medium differ only so."""
    node = tree.root()
    for name in path.split("/"):
        if node is None or not node.directory:
            return None
        wanted = {name.lower(), name.lower().replace(".", "_", 1)}  # mkisofs writes a leading dot as an underscore
        opener = next((opener for found, opener in tree.entries(node) if found.lower() in wanted), None)
        node = opener() if opener else None
    return node


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


def trees(source: Source, found: Descriptors) -> Iterator[Tree]:
    """The trees of a medium, the most telling first: of a bridge of UDF and ISO 9660, UDF may hold all there is."""
    from kimchictl.media.naming.udf_tree import UdfTree

    kinds = {volume.kind: volume for volume in reversed(found.volumes)}
    for kind in ("primary", "joliet"):
        if kind in kinds:
            yield IsoTree(source, kinds[kind])
    if found.udf:
        yield UdfTree(source)
