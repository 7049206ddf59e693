"""The images that tests are made of: valid ones with pycdlib's writer, broken ones by hand.

    make_image(path, "Debian 12.5.0 amd64 n", ...)    a 60 KB image with that label; PC firmware really boots it
    publisher, system, uefi, joliet, udf, size...     as keywords; see there
    relabel(path, volume_id=b"M\xe9dia")               any bytes in a label afterwards
    primary(), boot_record(), terminator()...         single descriptors, to lay out with
    lay_out(path, {16: primary(), 17: ...})           an image of exactly these sectors
    InMemory({16: primary(), 17: ...})                the same as a source that remembers what was read

The boot sector is boot.S beside this file. Started from such an image, a guest prints BOOT_OK, a blank and the payload
and then BOOT_DONE on the first serial line and on the screen; a power button's press makes it print POWER_BUTTON and
go off.
"""

import base64
import io
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import pycdlib

from kimchictl.media.source import Source

SECTOR = 2048
BOOT_OK, BOOT_DONE, POWER_BUTTON = "KIMCHI-BOOT-OK", "KIMCHI-BOOT-DONE", "KIMCHI-POWER-BUTTON"
PAYLOAD = "read from the CD"

# boot.S assembled, without the zeros at its end.
_BOOT_SECTOR = (
    "c-njI%s@H#Wq6?PM&E(H3ws!9e*bwDQNzH{A;w#~PoefjGeg=!hnlq310_;vizRCJ3DkB0Wwtn-72X$HTa>tuq2WaW!#<<h7f}q~"
    "*j#EDOYL?svF%`Bd=KKWlnCx(V0*igfw6>RpL^{KGltjlAaSM=(OrL;-`M;w;a$O4!nx}Q^P3l{46o08d3|yxE5nyZe|NC}%}{v%"
    "<@MheOboAotZ6w=!uo=l;q|w}9S5O0xmGBYd<W|6IPtFI#1=lo+h+w1Go(!rU|?imXh3+4m&@DJ*V)5U*U8^MMAzS20Zqik-_Mno"
    "ivcPW;2-W9r0WzK65{WN5Djv5bkTJU3i1yEij9I%FbYP&C>RBU0002!u65b"
)
_PAYLOAD_AT = 64  # in the boot sector: the payload's sector, then the flags
_POWER_OFF, _ECHO, _OBEY_ACPI = 1, 2, 4

# Identifiers of a volume descriptor: offset and length (ECMA-119 8.4).
_FIELDS = {
    "system_id": (8, 32),
    "volume_id": (40, 32),
    "volume_set_id": (190, 128),
    "publisher_id": (318, 128),
    "preparer_id": (446, 128),
    "application_id": (574, 128),
}


def boot_sector() -> bytes:
    """The 2048 bytes of boot.S, with nothing filled in."""
    return zlib.decompress(base64.b85decode(_BOOT_SECTOR)).ljust(SECTOR, b"\0")


def make_image(
    path: str | os.PathLike[str],
    volume_id: str | bytes = "KIMCHI",
    *,
    bios: bool = True,
    uefi: bool = False,
    joliet: bool = False,
    udf: bool = False,
    payload: str = PAYLOAD,
    poweroff: bool = False,
    echo: bool = False,
    ignore_acpi: bool = False,
    size: int | None = None,
    files: Mapping[str, bytes] | None = None,
    **labels: str | bytes,
) -> Path:
    """Write an image to `path`, sparse up to `size` bytes when that is given, and return its path.

    `bios` and `uefi` are its boot entries (the UEFI one holds no program); the guest powers itself off with
    `poweroff`, answers on its serial line with `echo`, and ignores the power button with `ignore_acpi`. `files` are
    plain upper-case names with their content. `labels` are the other identifiers: system_id, volume_set_id,
    publisher_id, preparer_id, application_id; those that are not given are blank.
    """
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3 if joliet else None, udf="2.60" if udf else None)
    paths = _Paths(joliet, udf)
    for name, content in {"PAYLOAD.TXT": _text_sector(payload), **(files or {})}.items():
        iso.add_fp(io.BytesIO(content), len(content), **paths.of(name))
    if bios:
        iso.add_fp(io.BytesIO(boot_sector()), SECTOR, **paths.of("BOOT.BIN"))
        iso.add_eltorito("/BOOT.BIN;1", boot_load_size=4, **paths.catalogue())
    if uefi:
        iso.add_fp(io.BytesIO(bytes(SECTOR)), SECTOR, **paths.of("EFI.IMG"))
        iso.add_eltorito("/EFI.IMG;1", efi=True, platform_id=0xEF, **({} if bios else paths.catalogue()))
    image = io.BytesIO()
    iso.write_fp(image)
    places = {name: iso.get_record(iso_path=f"/{name};1").extent_location() for name in paths.names}
    iso.close()
    if bios:
        flags = _POWER_OFF * poweroff | _ECHO * echo | _OBEY_ACPI * (not ignore_acpi)
        image.seek(places["BOOT.BIN"] * SECTOR + _PAYLOAD_AT)
        image.write(struct.pack("<LB", places["PAYLOAD.TXT"], flags))
    path = Path(path)
    path.write_bytes(image.getvalue())
    relabel(path, **{**dict.fromkeys(_FIELDS, ""), "volume_id": volume_id, **labels})
    if size is not None:
        resize(path, size)
    return path


def relabel(path: str | os.PathLike[str], **labels: str | bytes) -> None:
    """Put `labels` into the primary and the Joliet descriptor of the image at `path`; text is encoded as Latin-1."""
    with open(path, "r+b") as file:
        for at in range(16, 20):
            file.seek(at * SECTOR)
            sector = bytearray(file.read(SECTOR))
            if sector[:6] not in (b"\1CD001", b"\2CD001"):
                continue
            for name, value in labels.items():
                _put(sector, name, value, wide=sector[0] == 2)
            file.seek(at * SECTOR)
            file.write(sector)


def resize(path: str | os.PathLike[str], size: int) -> None:
    """Make the image at `path` claim and have `size` bytes, sparse."""
    with open(path, "r+b") as file:
        file.seek(16 * SECTOR + 80)
        file.write(both32(size // SECTOR))
        file.truncate(size)


def lay_out(path: str | os.PathLike[str], sectors: Mapping[int, bytes], size: int | None = None) -> Path:
    """An image of exactly these sectors, zeros between them, `size` bytes long or up to the last one's end."""
    path = Path(path)
    with path.open("wb") as file:
        for at, sector in sectors.items():
            file.seek(at * SECTOR)
            file.write(sector)
        if size is not None:
            file.truncate(size)
    return path


class InMemory(Source):
    """A source over sectors or bytes in memory; `reads` are the offset and the size of every read."""

    def __init__(self, content: Mapping[int, bytes] | bytes, size: int | None = None) -> None:
        if not isinstance(content, bytes):
            whole = bytearray(size or (max(content) + 1) * SECTOR)
            for at, sector in content.items():
                whole[at * SECTOR : at * SECTOR + len(sector)] = sector
            content = bytes(whole)
        super().__init__("memory", "file", len(content))
        self.content = content
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        self.reads.append((offset, size))
        return self.content[offset : offset + size]


def both16(number: int) -> bytes:
    """ECMA-119 7.2.3."""
    return struct.pack("<H", number) + struct.pack(">H", number)


def both32(number: int) -> bytes:
    """ECMA-119 7.3.3."""
    return struct.pack("<L", number) + struct.pack(">L", number)


def primary(blocks: int = 24, block_size: int = SECTOR, path_table: int = 20, **labels: str | bytes) -> bytes:
    """A primary volume descriptor (ECMA-119 8.4) with these identifiers, the others blank."""
    return _volume_descriptor(1, blocks, block_size, path_table, labels)


def supplementary(escapes: bytes = b"%/E", version: int = 1, **labels: str | bytes) -> bytes:
    """A supplementary descriptor, Joliet's by default; version 2 without escapes is an enhanced one (8.5)."""
    sector = bytearray(_volume_descriptor(2, 24, SECTOR, 20, labels, wide=bool(escapes)))
    sector[6] = version
    sector[88 : 88 + len(escapes)] = escapes
    return bytes(sector)


def boot_record(catalogue: int, system: bytes = b"EL TORITO SPECIFICATION") -> bytes:
    """A boot record volume descriptor (El Torito 1.0, figure 7)."""
    return (b"\0CD001\1" + system.ljust(32, b"\0") + bytes(32) + struct.pack("<L", catalogue)).ljust(SECTOR, b"\0")


def terminator() -> bytes:
    """ECMA-119 8.3."""
    return b"\xffCD001\1".ljust(SECTOR, b"\0")


def structure(name: bytes) -> bytes:
    """A volume structure descriptor of the extended area: BEA01, NSR02, NSR03, TEA01 (ECMA-167 2/9)."""
    return (b"\0" + name + b"\1").ljust(SECTOR, b"\0")


def boot_catalogue(*entries: bytes, platform: int = 0, checksum: bool = True) -> bytes:
    """A validation entry for `platform` and then `entries` of 32 bytes (El Torito 2)."""
    words = struct.pack("<BBH24xHBB", 1, platform, 0, 0, 0x55, 0xAA)
    total = -sum(struct.unpack("<16H", words)) & 0xFFFF if checksum else 0x1234
    return (struct.pack("<BBH24xHBB", 1, platform, 0, total, 0x55, 0xAA) + b"".join(entries)).ljust(SECTOR, b"\0")


def boot_entry(indicator: int = 0x88, sector: int = 22, media_type: int = 0) -> bytes:
    """An initial or a section entry (El Torito 2.2, 2.4)."""
    return struct.pack("<BBHBxHL20x", indicator, media_type, 0, 0, 4, sector)


def section_header(platform: int, entries: int = 1, more: bool = False) -> bytes:
    """El Torito 2.3."""
    return struct.pack("<BBH28x", 0x90 if more else 0x91, platform, entries)


def udf_sectors(label: str, blocks: int = 300, volume_set: str = "") -> dict[int, bytes]:
    """What an image that is UDF alone needs to be named: recognition, anchor, volume descriptors (ECMA-167 3)."""
    anchor = _tagged(2, 256, struct.pack("<LL", 6 * SECTOR, 32))
    name = _tagged(1, 32, bytes(8) + _dstring(label[:30], 32) + bytes(16) + _dstring(volume_set, 128))
    partition = _tagged(5, 33, bytes(172) + struct.pack("<LL", 270, blocks - 270))
    logical = _tagged(6, 34, bytes(68) + _dstring(label, 128))
    start = {16: structure(b"BEA01"), 17: structure(b"NSR02"), 18: structure(b"TEA01")}
    return {**start, 32: name, 33: partition, 34: logical, 35: _tagged(8, 35, b""), 256: anchor}


class _Paths:
    """The arguments by which pycdlib takes one file into every tree of an image."""

    def __init__(self, joliet: bool, udf: bool) -> None:
        self.trees = [tree for tree, wanted in (("joliet", joliet), ("udf", udf)) if wanted]
        self.names: list[str] = []

    def of(self, name: str) -> dict[str, str]:
        self.names.append(name)
        return {"iso_path": f"/{name};1", **{f"{tree}_path": f"/{name.lower()}" for tree in self.trees}}

    def catalogue(self) -> dict[str, str]:
        return {"bootcatfile": "/BOOT.CAT;1", **{f"{tree}_bootcatfile": "/boot.cat" for tree in self.trees}}


def _text_sector(text: str) -> bytes:
    return text.encode("ascii")[: SECTOR - 1].ljust(SECTOR, b"\0")


def _volume_descriptor(
    kind: int, blocks: int, block_size: int, path_table: int, labels: Mapping[str, str | bytes], wide: bool = False
) -> bytes:
    sector = bytearray(bytes([kind]) + b"CD001\1").ljust(SECTOR, b"\0")
    for name in _FIELDS:
        _put(sector, name, labels.get(name, ""), wide)
    sector[80:88] = both32(blocks)
    sector[120:132] = both16(1) + both16(1) + both16(block_size)
    sector[132:144] = both32(10) + struct.pack("<L", path_table)
    sector[148:152] = struct.pack(">L", path_table + 1)
    sector[156:190] = b"\x22\0" + both32(18) + both32(SECTOR) + bytes(7) + b"\2\0\0" + both16(1) + b"\1\0"
    sector[881] = 1
    return bytes(sector)


def _put(sector: bytearray, name: str, value: str | bytes, wide: bool = False) -> None:
    at, length = _FIELDS[name]
    if wide:
        text = value if isinstance(value, str) else value.decode("latin-1")
        sector[at : at + length] = text.ljust(length // 2)[: length // 2].encode("utf-16-be")
    else:
        data = value.encode("latin-1") if isinstance(value, str) else value
        sector[at : at + length] = data[:length].ljust(length)


def _dstring(text: str, length: int) -> bytes:
    """OSTA CS0 with 8 bits a character (UDF 2.1.3)."""
    if not text:
        return bytes(length)
    data = b"\x08" + text.encode("latin-1")
    return data.ljust(length - 1, b"\0") + bytes([len(data)])


def _tagged(kind: int, sector: int, body: bytes) -> bytes:
    """A UDF descriptor with its tag (ECMA-167 3/7.2)."""
    tag = bytearray(struct.pack("<HHBBHHHL", kind, 2, 0, 0, 0, 0, 0, sector))
    tag[4] = sum(tag) & 0xFF
    return bytes(tag + body).ljust(SECTOR, b"\0")
