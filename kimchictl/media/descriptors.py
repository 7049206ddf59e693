"""What an image says of itself: volume descriptors (ECMA-119), the boot catalogue (El Torito), UDF (ECMA-167) -> Media.

    sector 16 ...        primary, boot record, supplementary (Joliet), enhanced, ... terminator        "CD001"
       right after it    beginning of the extended area, NSR02 or NSR03, end of it                      UDF is there too
    anywhere             the boot catalogue: 64 entries of 32 bytes a sector                            El Torito 2
    sector 256           UDF's anchor, which leads to its own volume descriptors                        ECMA-167 3/8.4.2

An ordinary image costs two reads, 8 KiB from sector 16 and the catalogue's 2 KiB, whatever number of files it holds.
More is read only while the sequence has not ended: 16 KiB and the catalogue where it ends within 16 KiB, 64 KiB in all
where it never does. One that is UDF alone costs its anchor and as many of its own descriptors as it takes to find the
three that count: 18 KiB in all as it is written, 20 KiB more than the others at most.

Fields are taken with struct, not with pycdlib's record classes, which are stricter than the firmware and the kernels
that these images boot on: they refuse a whole descriptor for a reserved byte, a root record or a big-endian copy that
nobody reads, and a whole catalogue for one entry (El Torito's checksum, unused bytes, section counts). A label that is
wrong in such a place must still be read. Their import costs as much as reading a thousand images.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from kimchictl.errors import Damaged
from kimchictl.media.records import Media
from kimchictl.media.sectors import SECTOR, Sectors
from kimchictl.media.source import Source
from kimchictl.media.udf import ANCHOR_SECTOR, UdfVolume, read_volume

FIRST_SECTOR = 16  # ECMA-119 6.2.1: the system area before it is not ours to read
MAX_READ = 32 * SECTOR  # of the whole image, whatever it says

INCOMPLETE = "incomplete"
NOT_AN_IMAGE = "not an ISO 9660 or UDF image"

_AT_ONCE = 4  # sectors of a read: a primary, a boot record, a supplementary descriptor and the terminator
_ISO, _BEGINNING, _UDF, _OTHERS = b"CD001", b"BEA01", (b"NSR02", b"NSR03"), (b"BOOT2", b"CDW02")  # ECMA-167 2/9.1
_BOOT_RECORD, _PRIMARY, _SUPPLEMENTARY, _TERMINATOR = 0, 1, 2, 255  # ECMA-119 8.1.1

# ECMA-119 8.4 and 8.5: type; system, volume; volume space size in both orders; escape sequences; logical block size;
# type L path table; the root directory's extent and length; volume set, publisher, preparer, application.
_VOLUME = struct.Struct("<B7x32s32s8xLL32s8xH10xL14xL4xL20x128s128s128s128s")
_JOLIET = (b"%/@", b"%/C", b"%/E")  # UCS-2 levels 1 to 3
_BOOT = struct.Struct("<7x32s32xL")  # El Torito 1.0, figure 7: boot system, catalogue
_ENTRY = struct.Struct("<BB4xHL20x")  # El Torito 2.2 and 2.4: indicator, media type, sector count, sector
_VALIDATION = struct.Struct("<16H")  # El Torito 2.1, as the words of its checksum
_BOOTABLE, _NOT_BOOTABLE, _EXTENSION, _SECTION_HEADERS = 0x88, 0x00, 0x44, (0x90, 0x91)
_X86, _EFI = 0x00, 0xEF


class NotAnImage(Damaged):
    """The bytes are no ISO 9660 and no UDF volume; a scan passes over such a file where a person is told."""


class Volume(NamedTuple):
    """A primary, supplementary or enhanced volume descriptor; `root` is the root directory's sector and length."""

    kind: str  # "primary", "joliet", "enhanced"; "udf" for what stands in for a primary one
    volume_id: str
    volume_set_id: str
    blocks: int
    system_id: str = ""
    publisher_id: str = ""
    preparer_id: str = ""
    application_id: str = ""
    block_size: int = SECTOR
    path_table: int = 0
    root: tuple[int, int] = (0, 0)


class BootEntry(NamedTuple):
    """A bootable entry of the catalogue: the platform that its section is for, the media type, the boot image."""

    platform: int
    media_type: int
    sector_count: int
    sector: int


class BootCatalogue(NamedTuple):
    """`platforms` is what validation entry and section headers say; `checked` whether the checksum is right."""

    entries: tuple[BootEntry, ...] = ()
    platforms: tuple[int, ...] = ()
    checked: bool = False

    @property
    def firmware(self) -> tuple[str, ...]:
        """Who boots it: PC firmware never looks at the checksum, EFI firmware refuses a wrong one."""
        offered = {entry.platform for entry in self.entries}
        return ("bios",) * (_X86 in offered) + ("uefi",) * (_EFI in offered and self.checked)


class Descriptors(NamedTuple):
    """All that was found. `primary` names the image: the first primary descriptor, else UDF's; None without either."""

    primary: Volume | None
    volumes: tuple[Volume, ...]
    boot: BootCatalogue
    udf: bool


def read_media(source: Source) -> Media:
    """What the descriptors of `source` say. Raises NotAnImage (a Damaged), or what reading raises."""
    found = read_descriptors(source)
    if found.primary is None and not found.udf:
        raise NotAnImage(f"{source.location!r} is {NOT_AN_IMAGE}")
    volume = found.primary or Volume("udf", "", "", blocks=0)
    volume_size = volume.blocks * volume.block_size
    # An area for UDF and nothing in it that can be read is most likely a copy that has not got that far yet.
    short = found.primary is None or (source.size is not None and source.size < volume_size)
    return Media(
        size=source.size or 0,
        volume_id=volume.volume_id or next((v.volume_id for v in found.volumes if v.volume_id), ""),
        system_id=volume.system_id,
        volume_set_id=volume.volume_set_id,
        publisher_id=volume.publisher_id,
        preparer_id=volume.preparer_id,
        application_id=volume.application_id,
        volume_size=volume_size,
        block_size=volume.block_size,
        bootable=bool(found.boot.entries),
        boot=found.boot.firmware,
        platforms=found.boot.platforms,
        joliet=any(v.kind == "joliet" for v in found.volumes),
        udf=found.udf,
        error=INCOMPLETE if short else None,
    )


def read_descriptors(source: Source) -> Descriptors:
    """Everything that `read_media` sums up, for who looks further inside. Never more than MAX_READ bytes are read."""
    sectors = Sectors(source, MAX_READ)
    found = list(_sequence(sectors))
    iso = [sector for sector in found if sector[1:6] == _ISO]
    volumes = tuple(_volume(sector) for sector in iso if sector[0] in (_PRIMARY, _SUPPLEMENTARY))
    catalogue = next(filter(None, (_catalogue_sector(sector) for sector in iso if sector[0] == _BOOT_RECORD)), None)
    boot = _boot_catalogue(sectors.read(catalogue)) if catalogue else BootCatalogue()
    udf = any(sector[1:6] in _UDF for sector in found)
    primary = next((volume for volume in volumes if volume.kind == "primary"), None)
    if primary is None and udf:
        primary = _stand_in(read_volume(sectors, source.size))
    return Descriptors(primary, volumes, boot, udf)


def _sequence(sectors: Sectors) -> Iterator[bytes]:
    """The sectors of the volume descriptor set and of the extended area behind it, while there are any."""
    at, terminated, extended, first = FIRST_SECTOR, False, False, b""
    # One sector of what may be read stays back for the boot catalogue.
    while data := sectors.read(at, count := min(_AT_ONCE, sectors.left - 1)):
        first = first or data
        for start in range(0, len(data), SECTOR):
            sector = data[start : start + SECTOR]
            name = sector[1:6]
            if name == _ISO and not terminated:
                terminated = sector[0] == _TERMINATOR
            elif name == _BEGINNING:
                extended = True
            elif not (extended and (name in _UDF or name in _OTHERS)):
                return  # the end of the extended area, or nothing that a volume descriptor begins with
            yield sector
            if name in _UDF:
                return
        at += count
        if len(data) < count * SECTOR:
            return  # the end of the medium
        if terminated and not extended and not _leaves_room_for_udf(first):
            return


def _leaves_room_for_udf(first: bytes) -> bool:
    """Whether the terminator that ended a read may be followed by UDF's area; `first` is the first descriptor.

    On a bridge everything of ISO 9660 lies behind UDF's anchor in sector 256; elsewhere the path table follows the
    descriptors at once. So the usual image with a Joliet descriptor is not read once more for nothing.
    """
    return first[0] != _PRIMARY or _volume(first).path_table > ANCHOR_SECTOR


def _volume(sector: bytes) -> Volume:
    """A primary (ECMA-119 8.4), supplementary (8.5, Joliet) or enhanced (8.5, version 2) volume descriptor."""
    kind, system, name, little, big, escapes, block, table, extent, length, *texts = _VOLUME.unpack_from(sector)
    joliet = kind == _SUPPLEMENTARY and escapes[:3] in _JOLIET
    decode = _ucs2 if joliet else _text
    volume_set, publisher, preparer, application = map(decode, texts)
    return Volume(
        kind="primary" if kind == _PRIMARY else "joliet" if joliet else "enhanced",
        system_id=decode(system),
        volume_id=decode(name),
        volume_set_id=volume_set,
        publisher_id=publisher,
        preparer_id=preparer,
        application_id=application,
        # Kernels read the little-endian half; writers that fill in only one fill in the other.
        blocks=little or int.from_bytes(big.to_bytes(4, "little"), "big"),
        block_size=block if block in (512, 1024, 2048) else SECTOR,
        path_table=table,
        root=(extent, length),
    )


def _text(field: bytes) -> str:
    """An identifier without its padding; blanks by the standard, NULs by many writers, Latin-1 or UTF-8 by some."""
    field = field.partition(b"\0")[0].rstrip()
    try:
        return field.decode()
    except UnicodeDecodeError:
        return field.decode("latin-1")


def _ucs2(field: bytes) -> str:
    """A Joliet identifier: big-endian UCS-2, padded with blanks or NULs."""
    return field[: len(field) & ~1].decode("utf-16-be", "replace").partition("\0")[0].rstrip()


def _stand_in(volume: UdfVolume | None) -> Volume | None:
    return volume and Volume("udf", volume.volume_id, volume.volume_set_id, volume.blocks)


def _catalogue_sector(sector: bytes) -> int | None:
    """Where an El Torito boot record says the catalogue is; None for another system's boot record."""
    system, catalogue = _BOOT.unpack_from(sector)
    return catalogue if system.startswith(b"EL TORITO SPECIFICATION") else None


def _boot_catalogue(sector: bytes) -> BootCatalogue:
    """What the first sector of a boot catalogue offers; nothing when its validation entry is none.

    PC firmware looks at the validation entry's header and key bytes and boots the initial entry; EFI firmware looks at
    all entries. A section entry without a header before it (some installers have one) can so only be meant for EFI.
    """
    if not sector or sector[0] != 1 or sector[30:32] != b"\x55\xaa":
        return BootCatalogue()
    platform = sector[1]
    platforms = [platform]
    entries = []
    for at in range(32, SECTOR, 32):
        indicator, media_type, count, start = _ENTRY.unpack_from(sector, at)
        if indicator == _BOOTABLE:
            entries.append(BootEntry(platform, media_type, count, start))
        elif indicator in _SECTION_HEADERS:
            platforms.append(platform := sector[at + 1])
        elif at > 32 and (indicator not in (_NOT_BOOTABLE, _EXTENSION) or not any(sector[at : at + 32])):
            break  # an entry of zeros ends the catalogue; some writers fill up with other bytes
        if at == 32 and platform == _X86:
            platform = _EFI
    return BootCatalogue(tuple(entries), tuple(platforms), sum(_VALIDATION.unpack_from(sector)) & 0xFFFF == 0)
