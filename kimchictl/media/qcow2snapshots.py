"""The names of the snapshots that a qcow2 image holds, libvirt's and others: QEMU docs/interop/qcow2.txt, Snapshots."""

import struct

from kimchictl.errors import Damaged
from kimchictl.media.source import Source

_MOST = 4096  # QEMU's own limit is 65536, and as many make an image unusable
_LONGEST = 2 << 10  # bytes of an entry that QEMU takes: 1024 of extras, 128 of an id, 256 of a name
_ENTRY = struct.Struct(
    ">QIHHIIQII"
)  # L1 offset and size, lengths of id and name, time, clock, memory, length of extras


def snapshot_names(source: Source) -> list[str]:
    """In the order of the table; names may be there twice. Raises Damaged, and what reading does."""
    header = source.read(0, 72)
    if len(header) < 72 or not header.startswith(b"QFI\xfb"):
        raise Damaged(f"{source.location} is no qcow2 image")
    count, at = struct.unpack_from(">IQ", header, 60)
    if count > _MOST:
        raise Damaged(f"{source.location} says that it holds {count} snapshots")
    if not count:
        return []
    table, offset, names = source.read(at, count * _LONGEST), 0, []
    for _ in range(count):
        if offset + _ENTRY.size > len(table):
            raise Damaged(f"{source.location}: its table of snapshots ends early")
        _, _, id_length, name_length, *_, extra = _ENTRY.unpack_from(table, offset)
        begin = offset + _ENTRY.size + extra + id_length
        names.append(table[begin : begin + name_length].decode("utf-8", "surrogateescape"))
        offset = (begin + name_length + 7) & ~7
    return names
