"""What an image says of itself: volume descriptors (ECMA-119), the boot catalogue (El Torito), UDF (ECMA-167) -> Media.

    sector 16 ...        primary, boot record, supplementary (Joliet), enhanced, ... terminator        "CD001"
       right after it    beginning of the extended area, NSR02 or NSR03, end of it                      UDF is there too
    anywhere             the boot catalogue: 64 entries of 32 bytes a sector                            El Torito 2
    sector 256           UDF's anchor, which leads to its own volume descriptors                        ECMA-167 3/8.4.2

An ordinary image costs two reads, 8 KiB from sector 16 and the catalogue's 2 KiB, whatever number of files it holds.
More is read only while the sequence has not ended, and of an image that is UDF alone; 64 KiB in all, then it is over.

Fields are taken with struct, not with pycdlib's record classes, which are stricter than the firmware and the kernels
that these images boot on: they refuse a whole descriptor for a reserved byte, a root record or a big-endian copy that
nobody reads, and a whole catalogue for one entry (El Torito's checksum, unused bytes, section counts). A label that is
wrong in such a place must still be read. Their import costs as much as reading a thousand images.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kimchictl.errors import Damaged
from kimchictl.media.records import Media
from kimchictl.media.source import Source

SECTOR = 2048
FIRST_SECTOR = 16  # ECMA-119 6.2.1: the system area before it is not ours to read
MAX_READ = 32 * SECTOR  # of the whole image, whatever it says

INCOMPLETE = "incomplete"
NOT_AN_IMAGE = "not an ISO 9660 or UDF image"

_AT_ONCE = 4  # sectors of a read: a primary, a boot record, a supplementary descriptor and the terminator
_ANCHOR_SECTOR = 256  # ECMA-167 3/8.4.2.1

# ECMA-119 8.4 and 8.5: type; system, volume; volume space size in both orders; escape sequences; logical block size;
# type L path table; the root directory's extent and length; volume set, publisher, preparer, application.
_VOLUME = struct.Struct("<B7x32s32s8xLL32s8xH10xL14xL4xL20x128s128s128s128s")
_BOOT_RECORD = struct.Struct("<7x32s32xL")  # El Torito 1.0, figure 7: boot system, catalogue
_ENTRY = struct.Struct("<BB4xHL20x")  # El Torito 2.2 and 2.4: indicator, media type, sector count, sector
_VALIDATION_WORDS = struct.Struct("<16H")  # El Torito 2.1
_TAG = struct.Struct("<HxxB")  # ECMA-167 3/7.2: kind, checksum
_EXTENT = struct.Struct("<LL")  # ECMA-167 3/7.1
_SECTION_HEADERS = (0x90, 0x91)
_BOOTABLE, _NOT_BOOTABLE, _EXTENSION = 0x88, 0x00, 0x44
_X86, _EFI = 0x00, 0xEF
_JOLIET = (b"%/@", b"%/C", b"%/E")  # UCS-2 levels 1 to 3


class NotAnImage(Damaged):
    """The bytes are no ISO 9660 and no UDF volume; a scan passes over such a file where a person is told."""


class Volume(NamedTuple):
    """A primary, supplementary or enhanced volume descriptor; `root` is the root directory's sector and length."""

    joliet: bool
    enhanced: bool
    system_id: str
    volume_id: str
    volume_set_id: str
    publisher_id: str
    preparer_id: str
    application_id: str
    blocks: int
    block_size: int
    path_table: int
    root: tuple[int, int]


class BootEntry(NamedTuple):
    """A bootable entry of the catalogue: the platform that its section is for, the media type, the image's sector."""

    platform: int
    media_type: int
    sector_count: int
    sector: int


class Descriptors(NamedTuple):
    """All that was found: `volumes` in their order, and what El Torito and UDF add."""

    volumes: tuple[Volume, ...]
    boot: tuple[BootEntry, ...]
    platforms: tuple[int, ...]
    efi_valid: bool
    udf: bool
    udf_volume: Volume | None

    @property
    def primary(self) -> Volume | None:
        """The descriptor that names the image: the first primary one, else UDF's; None when there is neither."""
        return next((v for v in self.volumes if not v.joliet and not v.enhanced), self.udf_volume)


def read_media(source: Source) -> Media:
    """What the descriptors of `source` say. Raises NotAnImage (a Damaged), or what reading raises."""
    found = read_descriptors(source)
    volume = found.primary
    if volume is None and found.udf:
        # An area for UDF and nothing in it that can be read: most likely a copy that has not got that far yet.
        return Media(size=source.size or 0, udf=True, error=INCOMPLETE)
    if volume is None:
        raise NotAnImage(f"{source.location!r} is {NOT_AN_IMAGE}")
    platforms = {entry.platform for entry in found.boot}
    boot = (("bios",) if _X86 in platforms else ()) + (("uefi",) if _EFI in platforms and found.efi_valid else ())
    volume_size = volume.blocks * volume.block_size
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
        bootable=bool(found.boot),
        boot=boot,
        platforms=found.platforms,
        joliet=any(v.joliet for v in found.volumes),
        udf=found.udf,
        error=INCOMPLETE if source.size is not None and source.size < volume_size else None,
    )


def read_descriptors(source: Source) -> Descriptors:
    """Everything that `read_media` sums up, for who looks further inside. Never more than MAX_READ bytes are read."""
    read = _Bounded(source)
    volumes: list[Volume] = []
    catalogue = None
    udf = False
    for sector in _sequence(read, volumes):
        kind = sector[0]
        if sector[1:6] in (b"NSR02", b"NSR03"):
            udf = True
        elif sector[1:6] != b"CD001":
            continue
        elif kind in (1, 2):
            volumes.append(_volume(sector))
        elif kind == 0 and catalogue is None:
            catalogue = _catalogue_sector(sector)
    boot, platforms, efi_valid = _boot_catalogue(read(catalogue, 1)) if catalogue is not None else ((), (), False)
    named = any(not v.joliet and not v.enhanced for v in volumes)
    udf_volume = _udf_volume(read, source.size) if udf and not named else None
    return Descriptors(tuple(volumes), boot, platforms, efi_valid, udf, udf_volume)


class _Bounded:
    """Reads whole sectors of a source until MAX_READ bytes were asked for; from then on, as after the end, nothing."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.left = MAX_READ

    def __call__(self, sector: int, count: int) -> bytes:
        count = min(count, self.left // SECTOR)
        if count <= 0:
            return b""
        self.left -= count * SECTOR
        data = self.source.read(sector * SECTOR, count * SECTOR)
        return data[: len(data) // SECTOR * SECTOR]


def _sequence(read: _Bounded, volumes: list[Volume]) -> Iterator[bytes]:
    """The sectors of the volume descriptor set and of the extended area behind it, while there are any.

    `volumes` are those that the caller has taken out so far; they tell whether a bridge to UDF is worth another read.
    """
    at, terminated, extended = FIRST_SECTOR, False, False
    # One sector of what may be read stays back for the boot catalogue.
    while data := read(at, min(_AT_ONCE, read.left // SECTOR - 1)):
        for start in range(0, len(data), SECTOR):
            sector = data[start : start + SECTOR]
            name = sector[1:6]
            if name == b"CD001" and not terminated:
                terminated = sector[0] == 255
            elif name == b"BEA01":
                extended = True
            elif not (extended and name in (b"NSR02", b"NSR03", b"BOOT2", b"CDW02")):
                return  # TEA01, or nothing that a volume descriptor begins with
            yield sector
            if name in (b"NSR02", b"NSR03"):
                return
        at += len(data) // SECTOR
        if terminated and not extended and not _leaves_room_for_udf(volumes):
            return


def _leaves_room_for_udf(volumes: list[Volume]) -> bool:
    """Whether the terminator that ended a read may be followed by UDF's area.

    On a bridge everything of ISO 9660 lies behind UDF's anchor in sector 256; elsewhere the path table follows the
    descriptors at once. So the usual image with a Joliet descriptor is not read once more for nothing.
    """
    return not volumes or volumes[0].path_table > _ANCHOR_SECTOR


def _volume(sector: bytes) -> Volume:
    """A primary (ECMA-119 8.4), supplementary (8.5, Joliet) or enhanced (8.5, version 2) volume descriptor."""
    kind, system, name, little, big, escapes, block, table, extent, length, *texts = _VOLUME.unpack_from(sector)
    joliet = kind == 2 and escapes[:3] in _JOLIET
    decode = _ucs2 if joliet else _text
    volume_set, publisher, preparer, application = map(decode, texts)
    return Volume(
        joliet=joliet,
        enhanced=kind == 2 and not joliet,
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


def _catalogue_sector(sector: bytes) -> int | None:
    """Where an El Torito boot record says the catalogue is; None for another system's boot record."""
    system, catalogue = _BOOT_RECORD.unpack_from(sector)
    return catalogue if system.startswith(b"EL TORITO SPECIFICATION") else None


def _boot_catalogue(sector: bytes) -> tuple[tuple[BootEntry, ...], tuple[int, ...], bool]:
    """The bootable entries, the platforms named, and whether EFI firmware would accept the catalogue.

    PC firmware looks at the validation entry's header and key bytes and boots the initial entry; EFI firmware wants
    the checksum right too and looks at all entries. A section entry without a header before it (some installers have
    one) can so only be meant for EFI.
    """
    if len(sector) < SECTOR or sector[0] != 1 or sector[30:32] != b"\x55\xaa":
        return (), (), False
    efi_valid = sum(_VALIDATION_WORDS.unpack_from(sector)) & 0xFFFF == 0
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
    return tuple(entries), tuple(platforms), efi_valid


def _udf_volume(read: _Bounded, size: int | None) -> Volume | None:
    """The volume of an image that is UDF alone: anchor, then the main volume descriptor sequence (ECMA-167 3/8.4)."""
    extent = _anchor(read, _ANCHOR_SECTOR)
    if extent is None and size is not None:
        extent = _anchor(read, size // SECTOR - 1)
    if extent is None:
        return None
    length, start = extent
    sequence = read(start, min(-(-length // SECTOR), 16))
    names = {"set": "", "primary": "", "logical": ""}
    end = 0
    for at in range(0, len(sequence), SECTOR):
        kind = _tag(sequence, at)
        if kind == 1:  # 3/10.1: the primary volume descriptor
            names["primary"], names["set"] = _dstring(sequence[at + 24 :][:32]), _dstring(sequence[at + 72 :][:128])
        elif kind == 5:  # 3/10.5: a partition descriptor
            first, blocks = _EXTENT.unpack_from(sequence, at + 188)
            end = max(end, first + blocks)
        elif kind == 6:  # 3/10.6: the logical volume descriptor, whose name is what other tools show as the label
            names["logical"] = _dstring(sequence[at + 84 :][:128])
        elif kind in (None, 8):  # 3/10.9: the terminating descriptor
            break
    return Volume(
        joliet=False,
        enhanced=False,
        system_id="",
        volume_id=names["logical"] or names["primary"],
        volume_set_id=names["set"],
        publisher_id="",
        preparer_id="",
        application_id="",
        blocks=end,
        block_size=SECTOR,
        path_table=0,
        root=(0, 0),
    )


def _anchor(read: Callable[[int, int], bytes], sector: int) -> tuple[int, int] | None:
    """Length and start of the main volume descriptor sequence by the anchor in `sector` (ECMA-167 3/10.2)."""
    data = read(sector, 1) if sector > FIRST_SECTOR else b""
    return _EXTENT.unpack_from(data, 16) if data and _tag(data, 0) == 2 else None


def _tag(data: bytes, at: int) -> int | None:
    """The kind of the descriptor at `at`, None when its tag's checksum says that it is none (ECMA-167 3/7.2)."""
    kind, checksum = _TAG.unpack_from(data, at)
    return kind if (sum(data[at : at + 16]) - checksum) & 0xFF == checksum else None


def _dstring(field: bytes) -> str:
    """An OSTA CS0 string (UDF 2.1.3): the last byte counts, the first tells 8 or 16 bits a character."""
    used = field[1 : field[-1]]
    text = used.decode("utf-16-be", "replace") if field[0] == 16 else used.decode("latin-1")
    return text.partition("\0")[0].rstrip()
