"""The files of a UDF volume (ECMA-167 and UDF 1.02 to 2.01): where Windows' installers keep theirs.

    anchor (256)              -> main volume descriptor sequence       3/10.2
      partition descriptor       where the partition begins             3/10.5
      logical volume descriptor  block size, file set descriptor        3/10.6
    file set descriptor       -> root directory's file entry           4/14.1
    file entry                   allocation descriptors, or content     4/14.9, 4/14.17
    directory                    file identifier descriptors            4/14.4

Only a plain partition map is followed: what is burnt piece by piece (virtual, metadata partitions) is no installer.
"""

import struct
from collections.abc import Iterator
from functools import partial

from kimchictl.media.naming.nodes import Directories, Node, Opener
from kimchictl.media.sectors import SECTOR
from kimchictl.media.source import Source

_ANCHOR_SECTOR = 256
_SEQUENCE = 16  # sectors of the main sequence that are read
_MAX_EXTENTS = 256
_LONG = struct.Struct("<LLH6x")  # 4/14.14.2: length and type, block, partition
_SHORT = struct.Struct("<LL")
_FILE_ENTRY, _EXTENDED_ENTRY = 261, 266
_DELETED, _PARENT = 0x04, 0x08


class UdfTree:
    """The tree of the UDF volume on `source`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._directories = Directories(source)
        self._root: Node | None = None
        self._start = 0  # of the partition, in bytes
        self._block = SECTOR

    def root(self) -> Node | None:
        if self._root is None:
            file_set = self._file_set()
            self._root = self._node(*_LONG.unpack_from(file_set, 400)[:2]) if file_set else None
        return self._root

    def entries(self, directory: Node) -> Iterator[tuple[str, Opener]]:
        data = self._directories.read(directory)
        at = 0
        while at + 38 <= len(data) and _tag(data, at) == 257:
            flags, name_length = data[at + 18], data[at + 19]
            length, block, _ = _LONG.unpack_from(data, at + 20)
            use = int.from_bytes(data[at + 36 : at + 38], "little")
            name = data[at + 38 + use : at + 38 + use + name_length]
            at += (38 + use + name_length + 3) & ~3
            if flags & (_DELETED | _PARENT) or not name:
                continue
            yield _text(name), partial(self._node, length, block)

    def _file_set(self) -> bytes:
        """The file set descriptor, with the partition's start and the block size noted; b"" where there is none."""
        anchor = self._source.read(_ANCHOR_SECTOR * SECTOR, SECTOR)
        length, start = _SHORT.unpack_from(anchor, 16) if _tag(anchor) == 2 else (0, 0)
        if not length:
            return b""
        sequence = self._source.read(start * SECTOR, min(length, _SEQUENCE * SECTOR))
        parts = {_tag(sequence, at): sequence[at : at + SECTOR] for at in range(0, len(sequence) - 511, SECTOR)}
        partition, logical = parts.get(5, b""), parts.get(6, b"")
        if len(partition) < 196 or len(logical) < 446 or logical[440] != 1:  # 3/10.7.2: a type 1 partition map
            return b""
        self._block = int.from_bytes(logical[212:216], "little")
        if self._block not in (512, 1024, 2048, 4096):
            return b""
        self._start = int.from_bytes(partition[188:192], "little") * SECTOR
        block = _LONG.unpack_from(logical, 248)[1]
        descriptor = self._source.read(self._start + block * self._block, 512)
        return descriptor if len(descriptor) == 512 and _tag(descriptor) == 256 else b""

    def _node(self, length: int, block: int) -> Node | None:
        """The node whose file entry is in `block` of the partition."""
        entry = self._source.read(self._start + block * self._block, min(length & 0x3FFFFFFF or self._block, 4096))
        kind = _tag(entry)
        header = {_FILE_ENTRY: 176, _EXTENDED_ENTRY: 216}.get(kind or 0, 0)
        if not header or len(entry) < header:
            return None
        size = int.from_bytes(entry[56:64], "little")
        attributes = int.from_bytes(entry[header - 8 : header - 4], "little")
        used = int.from_bytes(entry[header - 4 : header], "little")
        area = entry[header + attributes : header + attributes + used]
        directory = entry[27] == 4  # 4/14.6.6
        form = entry[34] & 7
        if form == 3:
            return Node(directory, (), area[:size])
        return Node(directory, tuple(self._extents(area, form, size)))

    def _extents(self, area: bytes, form: int, size: int) -> Iterator[tuple[int, int]]:
        """Where the bytes of a file are, by its short (0) or long (1) allocation descriptors (4/14.14)."""
        width = {0: 8, 1: 16}.get(form)
        if width is None:
            return
        for at in range(0, min(len(area), _MAX_EXTENTS * width) - width + 1, width):
            length, block = _SHORT.unpack_from(area, at)
            length = min(length & 0x3FFFFFFF, size)
            if length == 0:
                return
            size -= length
            yield self._start + block * self._block, length


def _tag(data: bytes, at: int = 0) -> int | None:
    """The kind of the descriptor at `at` (3/7.2), None where its checksum says that it is none."""
    tag = data[at : at + 16]
    if len(tag) < 16 or (sum(tag) - tag[4]) & 0xFF != tag[4]:
        return None
    return int.from_bytes(tag[:2], "little")


def _text(name: bytes) -> str:
    """A name in OSTA compressed Unicode (UDF 2.1.1)."""
    return name[1:].decode("utf-16-be", "replace") if name[0] == 16 else name[1:].decode("latin-1")
