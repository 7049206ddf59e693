"""Images that are wrong on purpose: real descriptors with structured mistakes, the same ones for the same seed.

    originals(directory)        what is mutated: sectors of images that pycdlib wrote, and of ones laid out by hand
    mutant(seed, originals)     one hostile image, as a source that counts what was read of it
    examine(source, namer)      reads and names it: Verdict, with what should not have happened

Mistakes are made where they count: fields of descriptors, of the boot catalogue, of UDF's structures and of directory
records get the values that break arithmetic (0, all ones, off by one, their own place); labels get a stranger's text;
sectors are swapped, repeated without an end, cut off; the medium claims another size, or gives less than was asked for.
"""

from __future__ import annotations

import json
import random
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kimchictl
from kimchictl.errors import Damaged
from kimchictl.media.descriptors import MAX_READ, read_media
from kimchictl.media.naming.identify import identify
from kimchictl.media.naming.inside import MAX_BYTES, MAX_READS
from kimchictl.media.naming.namer import Namer
from kimchictl.media.probe import describe
from kimchictl.media.source import Source
from lab.images import (
    SECTOR,
    boot_catalogue,
    boot_entry,
    boot_record,
    make_image,
    primary,
    section_header,
    structure,
    supplementary,
    terminator,
    udf_sectors,
)

MAX_CPU = 0.010  # seconds an image may cost
MAX_ALL_READ = MAX_READ + 2 * MAX_READ + MAX_BYTES  # the descriptors, once more for who looks inside, and the inside

Sectors = dict[int, bytes]

_NUMBERS = (0, 1, 2, 3, 15, 16, 17, 18, 255, 256, 257, 2047, 2048, 0x7FFF, 0x8000, 0xFFFF, 1 << 31, (1 << 32) - 1)
# Offset and length: ECMA-119 8.4 and 9.1 (type, sizes, tables, root record), El Torito, ECMA-167 tags and extents.
_FIELDS = (
    *((at, 1) for at in (0, 6, 7, 88, 156, 157, 188, 881)),
    *((at, 2) for at in (120, 122, 128, 130, 4, 8, 10, 22, 212, 214)),
    *((at, 4) for at in (71, 80, 84, 132, 136, 140, 148, 158, 162, 166, 170, 12, 16, 20, 24, 28, 168, 172, 188, 192)),
    *((at, 4) for at in (248, 256, 264, 432, 436, 440, 444)),
    *((32 * entry + at, length) for entry in range(6) for at, length in ((0, 1), (1, 1), (2, 2), (8, 4))),
)
_LABELS = ((8, 32), (40, 32), (190, 128), (318, 128), (446, 128), (574, 128), (24, 32), (84, 128))
_TEXTS = (
    b"\x1b[2J\x1b]0;owned\x07",
    b"[bold]x[/bold]",
    b"../../../etc/passwd",
    b"$(reboot)`reboot`;reboot",
    b"\xff\xfe\xfd",
    b"\xd8\x00\xdc\x00\xd8\x00",
    b"\xed\xa0\x80",
    b"%s%n{0}{__class__}",
    b"\0" * 32,
    b" " * 128,
    b"A" * 128,
    b"1." * 64,
    b"(a+)+" * 25,
    b"_1" * 64,
    b"Ubuntu-Server 9999999999999999",
    b"\r\nSet-Cookie: a=b",
)


def _known_labels() -> list[str]:
    """What our rules were written for: a label that is almost right goes deepest into their patterns."""
    rules = json.loads((Path(kimchictl.__file__).parent / "data/rules.json").read_text("utf-8"))["rules"]
    labels = [label for rule in rules for label, _ in rule.get("examples", ())]
    return [text for label in labels for text in (label.values() if isinstance(label, dict) else [label])]


_KNOWN = _known_labels()


class Mutant(Source):
    """An image of these sectors, zeros elsewhere. `asked` counts bytes, `reads` calls, `outside` impossible reads."""

    def __init__(self, sectors: Sectors, size: int | None, stingy: random.Random | None = None) -> None:
        super().__init__("/mutant.iso", "file", size)
        self.sectors, self.stingy = sectors, stingy
        self.end = (max(sectors, default=0) + 1) * SECTOR if size is None else size
        self.asked = self.reads = self.outside = 0

    def read(self, offset: int, size: int) -> bytes:
        self.asked += size
        self.reads += 1
        self.outside += offset < 0 or size <= 0
        size = max(0, min(size, self.end - offset, MAX_BYTES))
        if self.stingy and self.stingy.random() < 0.3:
            size = self.stingy.randrange(size + 1)
        first, last = offset // SECTOR, -(-(offset + size) // SECTOR)
        data = b"".join(self.sectors.get(at, bytes(SECTOR)) for at in range(first, last))
        return data[offset % SECTOR : offset % SECTOR + size]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an image cost, in seconds of CPU and bytes, whether it was one, and what went wrong, if anything."""

    cpu: float
    asked: int
    accepted: bool
    wrong: str | None


def originals(directory: Path, more: Sequence[Path] = ()) -> list[Sectors]:
    """What mutants are made of; `more` are images whose first 600 KiB join in."""
    kinds = ({}, {"uefi": True, "joliet": True}, {"udf": True, "joliet": True}, {"bios": False})
    files = {".TREEINFO": b"[general]\nfamily=Fedora\nversion=39\narch=x86_64\n"}
    made = [
        make_image(
            directory / f"{number}.iso", "Debian 12.5.0 amd64 n", files={"INFO": b"x"} if kind else files, **kind
        )
        for number, kind in enumerate(kinds)
    ]
    by_hand: list[Sectors] = [
        {
            16: primary(volume_id="Ubuntu-Server 24.04 LTS amd64", publisher_id="CANONICAL"),
            17: boot_record(21),
            18: supplementary(volume_id="UBUNTU"),
            19: terminator(),
            21: boot_catalogue(boot_entry(), section_header(0xEF), boot_entry(sector=23)),
        },
        udf_sectors("CCCOMA_X64FRE_EN-US_DV9"),
        {16: primary(volume_id="BRIDGE", path_table=260), 17: terminator(), **_moved(udf_sectors("CPBA_X64FRE"), 2)},
        {at: supplementary() for at in range(16, 60)},
        {16: structure(b"BEA01"), **{at: structure(b"CDW02") for at in range(17, 60)}},
    ]
    return [_split(path) for path in (*made, *more)] + by_hand


def mutant(seed: int, bases: Sequence[Sectors]) -> Mutant:
    """The image of a seed. The same originals give the same image for it."""
    chance = random.Random(seed)  # noqa: S311 - to be had again, not to be secret
    sectors = dict(chance.choice(bases))
    for _ in range(chance.randint(1, 5)):
        chance.choice(_MISTAKES)(sectors, chance)
    end = (max(sectors, default=0) + 1) * SECTOR
    size = chance.choice((end, end, end, None, 0, 32768, 34816, chance.randrange(end + 1), 1 << 33, (1 << 63) - 1))
    return Mutant(sectors, size, chance if chance.random() < 0.1 else None)


def examine(image: Mutant, namer: Namer) -> Verdict:
    """Reads the image and names it, as a scan does, and says what is wrong with how that went."""
    began = time.thread_time()
    accepted, wrong = True, None
    try:
        media = read_media(image)
        if image.asked > (most := bound(image)):
            wrong = f"{image.asked} bytes of descriptors were read, not {most}"
        record = describe(image, media, identify(media, image, namer))
        "".join(value for value in record if isinstance(value, str)).encode()
    except Damaged:
        accepted = False
    except Exception as error:  # whatever it is: the seed is what leads back to it
        wrong = f"{type(error).__name__}: {error}"
    if image.asked > MAX_ALL_READ or image.reads > 3 * MAX_READS or image.outside:
        wrong = wrong or f"{image.reads} reads of {image.asked} bytes, {image.outside} of them outside"
    return Verdict(time.thread_time() - began, image.asked, accepted, wrong)


def bound(image: Mutant) -> int:
    """The bytes that its descriptors may cost: 16 KiB and the boot catalogue where their sequence ends within 16 KiB,
    else 64 KiB in all; of one that is UDF alone two anchors and eight descriptors more.
    """
    primary = any(image.sectors.get(at, b"")[:6] == b"\1CD001" for at in range(16, 48))
    sequence = 8 if _ends_within(image.sectors, 8) else 32
    return min(MAX_READ, (sequence + 1 + 10 * (not primary)) * SECTOR)


def _ends_within(sectors: Sectors, count: int) -> bool:
    """Whether the descriptors and the extended area behind their terminator are over by then (ECMA-119 8, 167 2/9)."""
    terminated = extended = False
    for sector in (sectors.get(at, bytes(SECTOR)) for at in range(16, 16 + count)):
        name = sector[1:6]
        if name == b"CD001" and not terminated:
            terminated = sector[0] == 255
        elif name == b"BEA01":
            extended = True
        elif not extended or name not in (b"BOOT2", b"CDW02"):
            return True
    return False


def _split(path: Path) -> Sectors:
    with path.open("rb") as file:
        data = file.read(300 * SECTOR)
    pieces = ((at // SECTOR, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR))
    return {at: piece.ljust(SECTOR, b"\0") for at, piece in pieces if piece.strip(b"\0")}


def _moved(sectors: Sectors, by: int) -> Sectors:
    """The recognition sequence moved behind what ISO 9660 has there."""
    return {at + by if at < 32 else at: sector for at, sector in sectors.items()}


def _overwrite(sectors: Sectors, at: int, offset: int, data: bytes) -> None:
    sector = sectors[at]
    sectors[at] = (sector[:offset] + data + sector[offset + len(data) :])[:SECTOR]


def _field(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        at = chance.choice(list(sectors))
        offset, length = chance.choice(_FIELDS)
        number = chance.choice((*_NUMBERS, at, at + 1, at - 1, chance.getrandbits(32))) & ((1 << 8 * length) - 1)
        _overwrite(sectors, at, offset, number.to_bytes(length, chance.choice(("little", "big"))))


def _label(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        offset, length = chance.choice(_LABELS)
        text = chance.choice((chance.choice(_TEXTS), chance.randbytes(length), _almost_known(chance)))[:length]
        _overwrite(sectors, chance.choice(list(sectors)), offset, text.ljust(chance.choice((0, length))))


def _almost_known(chance: random.Random) -> bytes:
    """A known label, a piece of which comes again and again, or with a character where none belongs."""
    label = chance.choice(_KNOWN)
    first = chance.randrange(len(label))
    piece = label[first : first + chance.randint(1, 8)]
    return (
        label[:first] + piece * chance.choice((0, 1, 2, 40)) + chance.choice(("", "!", "-x", " 9")) + label[first:]
    ).encode("latin-1", "replace")


def _flip(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        at = chance.choice(list(sectors))
        for _ in range(chance.randint(1, 40)):
            _overwrite(sectors, at, chance.randrange(SECTOR), bytes([chance.getrandbits(8)]))


def _record(sectors: Sectors, chance: random.Random) -> None:
    """Directory records (ECMA-119 9.1) anywhere in a sector: lengths that overlap, extents that lead in circles."""
    if sectors:
        at, offset = chance.choice(list(sectors)), chance.randrange(0, SECTOR - 34, 2)
        extent, length = chance.choice((*_NUMBERS, at)), chance.choice(_NUMBERS)
        head = struct.pack("<BBLLLL", chance.choice((0, 1, 33, 34, 255)), 0, extent, extent, length, length)
        _overwrite(sectors, at, offset, head + bytes([0] * 7 + [chance.choice((0, 2, 0x80))] + [0] * 6 + [255]))


def _swap(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        one, other = chance.choice(list(sectors)), chance.choice([*sectors, 16, 17, 18, 19, 20, 256])
        sectors[other], sectors[one] = sectors[one], sectors.get(other, bytes(SECTOR))


def _repeat(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        sector = sectors[chance.choice(list(sectors))]
        sectors.update((at, sector) for at in range(chance.randint(16, 20), chance.randint(20, 80)))


def _remove(sectors: Sectors, chance: random.Random) -> None:
    if sectors:
        del sectors[chance.choice(list(sectors))]


_MISTAKES = (_field, _field, _field, _field, _label, _label, _flip, _record, _swap, _repeat, _remove)
