"""Disk images as a base of new disks: what the first sectors say, read by us and never by guessing at use.

A disk image is a stranger's: the header of a qcow2 can name any file of the host as its backing or its data, and a raw
disk can be given such a header by its guest. So the header is read here, bounded, and what it names is handed to the
caller to be refused.

Sources: qcow2 - QEMU docs/interop/qcow2.txt; partition tables - UEFI 2.10 section 5.
"""

import os
import struct
from dataclasses import dataclass

from kimchictl.errors import Damaged, Failed, Invalid, KimchiError
from kimchictl.media.source import Source, open_source

_HEADER = 1024
_LONGEST_NAME = 1023  # of a backing file
_LARGEST_CLUSTER = 2 << 20  # QEMU's; the name of a backing file is in the first one
_LONGEST_EXTENSIONS = 4096
_DATA_FILE = 0x44415441
_BACKING_FORMAT = 0xE2792ACA
_EXTERNAL_DATA = 1 << 2
_CORRUPT = 1 << 1
_ISO_MAGIC = 32768 + 1  # ECMA-119 8.1.2: the standard identifier of the first volume descriptor
_PACKED = ("gzip", "xz", "zstd", "zip")

# What other formats begin with: (offset, bytes, name).
_OTHERS = (
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk Desc", "vmdk"),
    (0, b"QED\0", "qed"),
    (0, b"conectix", "vpc"),
    (0, b"vhdxfile", "vhdx"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"PK\x03\x04", "zip"),
)


@dataclass(frozen=True, slots=True)
class DiskImage:
    """`format` is qcow2 or raw, `virtual_size` in bytes; `backing` and `data_file` are the files its header names.

    `backing_format` is what the header says of the backing file, None where it says nothing.
    """

    path: str
    format: str
    virtual_size: int
    backing: str | None = None
    data_file: str | None = None
    backing_format: str | None = None


def read_disk_image(path: str) -> DiskImage:
    """The disk image at `path`, its links resolved. Raises NotFound, Failed, Damaged, and Invalid for other files."""
    with open_source(path) as source:
        header = source.read(0, _HEADER)
        if header.startswith(b"QFI\xfb"):
            return _qcow2(source, header)
        for offset, magic, name in _OTHERS:
            if header.startswith(magic, offset):
                raise _other(source, name)
        if source.size and source.read(max(source.size - 512, 0), 8) == b"conectix":
            raise _other(source, "vpc")
        return _raw(source, header)


def read_qcow2(source: Source) -> DiskImage:
    """What the header of a qcow2 image says, wherever it is. Raises Damaged, Invalid, and what reading does."""
    header = source.read(0, _HEADER)
    if not header.startswith(b"QFI\xfb"):
        raise Invalid(f"{source.location} is no qcow2 image")
    return _qcow2(source, header)


def glance(source: Source) -> DiskImage | None:
    """What is in any file, by its content, as libvirt calls it: qcow2, iso, else raw; None: only libvirt can tell.

    Of a raw or iso one the virtual size is its length. Nothing that the header names is opened.
    """
    header = source.read(0, _HEADER)
    if header.startswith(b"QFI\xfb"):
        try:
            found = _qcow2(source, header)
        except KimchiError:
            return None
        return found if found.backing is None or _is_path(found.backing) else None
    for offset, magic, name in _OTHERS:
        if header.startswith(magic, offset) and name not in _PACKED:
            return None
    if source.size and source.read(max(source.size - 512, 0), 8) == b"conectix":
        return None
    form = "iso" if source.read(_ISO_MAGIC, 5) == b"CD001" else "raw"
    return DiskImage(source.location, form, source.size or 0)


def _other(source: Source, name: str) -> Invalid:
    packed = name in _PACKED
    hint = "unpack it" if packed else f"qemu-img convert -f {name} -O qcow2 {source.location} NEW.qcow2"
    return Invalid(f"{source.location} is a {name} file: only qcow2 and raw images can back a disk", hint)


def _raw(source: Source, header: bytes) -> DiskImage:
    """A raw disk has a partition table; a file without one cannot be told from any other file."""
    if source.read(_ISO_MAGIC, 5) == b"CD001":
        raise Invalid(f"{source.location} is an ISO image, not a disk", "give it as --cdrom")
    if (
        source.size is None
        or len(header) < _HEADER
        or not (header[510:512] == b"\x55\xaa" or header[512:520] == b"EFI PART")
    ):
        raise Invalid(f"{source.location} is no disk image: it has neither a qcow2 header nor a partition table")
    return DiskImage(source.location, "raw", source.size)


def _qcow2(source: Source, header: bytes) -> DiskImage:
    version = int.from_bytes(header[4:8])
    if version == 1:
        raise _other(source, "qcow")
    if version not in (2, 3):
        raise Invalid(f"{source.location} is a qcow2 image of version {version}: only 2 and 3 are known")
    if len(header) < (104 if version == 3 else 72):
        raise Damaged(f"{source.location} is a qcow2 image without the rest of its header")
    at, length = struct.unpack_from(">QI", header, 8)
    size, encrypted = struct.unpack_from(">QI", header, 24)
    features, header_length = 0, 72
    if version == 3:
        (features,) = struct.unpack_from(">Q", header, 72)
        (header_length,) = struct.unpack_from(">I", header, 100)
    if features & _CORRUPT:
        raise Damaged(f"{source.location} is marked as corrupt", f"qemu-img check {source.location}")
    if encrypted:
        raise Invalid(f"{source.location} is encrypted and cannot back a disk")
    backing = _name(source, at, length) if at else None
    extensions = _extensions(source, header_length) if at or features & _EXTERNAL_DATA else {}
    # Without its name it has an external file all the same.
    data_file = (extensions.get(_DATA_FILE) or "?") if features & _EXTERNAL_DATA else None
    return DiskImage(source.location, "qcow2", size, backing, data_file, extensions.get(_BACKING_FORMAT))


def _name(source: Source, offset: int, length: int) -> str:
    if length > _LONGEST_NAME:
        raise Damaged(
            f"{source.location} names a backing file with {length} bytes: at most {_LONGEST_NAME} are allowed"
        )
    if offset > _LARGEST_CLUSTER:
        raise Damaged(f"{source.location} names a backing file {offset} bytes from its beginning, which is no header")
    return os.fsdecode(source.read(offset, length))


def _extensions(source: Source, offset: int) -> dict[int, str]:
    """The header extensions at `offset` as text by their kind, the first of each."""
    extensions = source.read(offset, _LONGEST_EXTENSIONS)
    found: dict[int, str] = {}
    at = 0
    while at + 8 <= len(extensions):
        kind, length = struct.unpack_from(">II", extensions, at)
        if kind == 0:
            break
        found.setdefault(kind, os.fsdecode(extensions[at + 8 : at + 8 + length]))
        at += 8 + (length + 7) // 8 * 8
    return found


def refuse_strangers(image: DiskImage, named: tuple[str, ...], depth: int = 8) -> None:
    """Raises Invalid when the header of `image`, or of what backs it, names a file that is not one of `named`.

    `named` are paths that somebody gave by hand, links resolved.
    """
    if image.data_file is not None:
        raise Invalid(
            f"{image.path} keeps its data in {image.data_file!r}", f"qemu-img convert -O qcow2 {image.path} NEW"
        )
    if image.backing is None:
        return
    backing = os.path.join(os.path.dirname(image.path), image.backing)
    if not _is_path(image.backing) or os.path.realpath(backing) not in named:
        hint = f"--backing {backing}, if you know that file" if _is_path(image.backing) else None
        raise Invalid(f"{image.path} is backed by {image.backing!r}, which nobody named", hint)
    if depth == 0:
        raise Failed(f"{image.path} is at the end of too long a chain of backing files")
    refuse_strangers(read_disk_image(backing), named, depth - 1)


def _is_path(name: str) -> bool:
    """Not json:{...}, nbd://..., nor another name that qemu would take for a protocol (its docs: "protocol:name")."""
    return ":" not in name.partition("/")[0]
