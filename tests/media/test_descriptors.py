"""Descriptors: what valid and broken images say of themselves, and how little is read to know it."""

import contextlib
import os
import random
import struct
from pathlib import Path

import pytest

from kimchictl.errors import Damaged
from kimchictl.media.descriptors import read_descriptors, read_media
from kimchictl.media.records import Media
from kimchictl.media.source import open_source
from lab.images import (
    SECTOR,
    InMemory,
    boot_catalogue,
    boot_entry,
    boot_record,
    lay_out,
    make_image,
    primary,
    relabel,
    section_header,
    structure,
    supplementary,
    terminator,
    udf_sectors,
)

LABELS = {
    "volume_id": "OpenBSD/i386    5.4 Install CD",
    "system_id": "LINUX",
    "volume_set_id": "a set",
    "publisher_id": "Somebody <https://example.org/>",
    "preparer_id": "XORRISO-1.5.4",
    "application_id": "GENISOIMAGE",
}
X86, POWERPC, EFI = 0, 1, 0xEF


def media_of(path: Path) -> Media:
    with open_source(str(path)) as source:
        return read_media(source)


def media_with_catalogue(catalogue: bytes) -> Media:
    return read_media(InMemory({16: primary(), 17: boot_record(20), 18: terminator(), 20: catalogue, 23: b""}))


def labelled(**labels: str | bytes) -> Media:
    return read_media(InMemory({16: primary(**labels), 17: terminator(), 23: bytes(SECTOR)}))


# The image as a whole


def test_every_identifier_is_read_without_its_padding(tmp_path: Path) -> None:
    media = media_of(make_image(tmp_path / "a.iso", **LABELS))
    assert {name: getattr(media, name) for name in LABELS} == LABELS


def test_sizes_are_in_bytes_and_a_padded_image_is_whole(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso")
    claimed = path.stat().st_size
    os.truncate(path, claimed + 300 * SECTOR)
    media = media_of(path)
    assert (media.size, media.volume_size, media.error) == (claimed + 300 * SECTOR, claimed, None)


def test_two_reads_of_10_kib_whatever_number_of_files(tmp_path: Path) -> None:
    files = {f"F{number}.TXT": b"x" for number in range(200)}
    path = make_image(tmp_path / "a.iso", uefi=True, joliet=True, files=files)
    source = InMemory(path.read_bytes())
    read_media(source)
    assert [size for _, size in source.reads] == [8192, 2048]
    assert source.reads[0][0] == 32768


@pytest.mark.parametrize(("bios", "uefi"), [(True, False), (True, True), (False, True), (False, False)])
def test_bios_and_uefi_are_told_apart(tmp_path: Path, bios: bool, uefi: bool) -> None:
    media = media_of(make_image(tmp_path / "a.iso", bios=bios, uefi=uefi))
    assert media.boot == ("bios",) * bios + ("uefi",) * uefi
    assert media.bootable == (bios or uefi)


@pytest.mark.parametrize("joliet", [False, True])
@pytest.mark.parametrize("udf", [False, True])
def test_joliet_and_a_bridge_to_udf_are_seen_alone_and_together(tmp_path: Path, joliet: bool, udf: bool) -> None:
    media = media_of(make_image(tmp_path / "a.iso", "BRIDGE", joliet=joliet, udf=udf))
    assert (media.joliet, media.udf, media.volume_id, media.error) == (joliet, udf, "BRIDGE", None)


@pytest.mark.parametrize(
    ("path", "boot"),
    [
        ("/usr/lib/ipxe/ipxe.iso", ("bios", "uefi")),
        ("/usr/lib/grub-rescue/grub-rescue-cdrom.iso", ("bios",)),
        ("/usr/lib/memtest86+/memtest86+x64.iso", ("bios", "uefi")),
    ],
)
def test_published_images_boot_as_they_do(path: str, boot: tuple[str, ...]) -> None:
    if not os.path.exists(path):
        pytest.skip(f"{path} is not installed")
    media = media_of(Path(path))
    assert (media.bootable, media.boot, media.error) == (True, boot, None)


# Labels are a stranger's


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (b"M\xe9dia", "M\xe9dia"),
        ("M\xe9dia".encode(), "M\xe9dia"),
        (b"NUL\0padded\0", "NUL"),
        (b"\0" * 32, ""),
        (b"", ""),
        (b"\x1b[31mRED\x07", "\x1b[31mRED\x07"),
        (b"  leading", "  leading"),
        (b"X" * 40, "X" * 32),
    ],
)
def test_a_label_of_any_bytes_is_decoded(label: bytes, text: str) -> None:
    assert labelled(volume_id=label).volume_id == text


def test_the_truth_in_the_volume_set_id_is_kept() -> None:
    media = labelled(volume_id="RED_HAT", volume_set_id="RHEL/4-U8")
    assert (media.volume_id, media.volume_set_id) == ("RED_HAT", "RHEL/4-U8")


def test_a_joliet_label_is_decoded_and_stands_in_for_an_empty_one() -> None:
    sectors = {16: primary(), 17: supplementary(volume_id="J\xf6liet"), 18: terminator(), 23: b""}
    assert read_media(InMemory(sectors)).volume_id == "J\xf6liet"
    assert read_media(InMemory({**sectors, 16: primary(volume_id="FIRST")})).volume_id == "FIRST"


def test_a_relabelled_image_keeps_booting(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso", joliet=True)
    relabel(path, volume_id=b"W2AFPP")
    media = media_of(path)
    assert (media.volume_id, media.bootable) == ("W2AFPP", True)


def test_an_enhanced_descriptor_is_neither_joliet_nor_the_primary() -> None:
    enhanced = supplementary(escapes=b"", version=2, volume_id="ENHANCED")
    source = InMemory({16: primary(volume_id="PRIMARY"), 17: enhanced, 18: terminator(), 23: b""})
    assert [volume.kind for volume in read_descriptors(source).volumes] == ["primary", "enhanced"]
    assert (read_media(source).volume_id, read_media(source).joliet) == ("PRIMARY", False)


def test_the_root_directories_are_known_to_who_looks_further(tmp_path: Path) -> None:
    content = make_image(tmp_path / "a.iso", joliet=True).read_bytes()
    for volume in read_descriptors(InMemory(content)).volumes:
        extent, length = volume.root
        # A directory begins with the record of itself (ECMA-119 6.8.2.2).
        assert struct.unpack_from("<L", content, extent * SECTOR + 2) == (extent,)
        assert length == SECTOR


def test_blocks_of_512_bytes_and_a_size_in_one_byte_order_only() -> None:
    small = read_media(InMemory({16: primary(blocks=80, block_size=512), 17: terminator(), 23: b""}))
    assert (small.block_size, small.volume_size) == (512, 80 * 512)
    for little, blocks in ((0, 20), (21, 21)):  # where the two halves differ, kernels read the little-endian one
        half = bytearray(primary(blocks=20))
        half[80:84] = struct.pack("<L", little)
        assert read_media(InMemory({16: bytes(half), 17: terminator(), 23: b""})).volume_size == blocks * SECTOR
    assert read_media(InMemory({16: primary(block_size=3), 17: terminator(), 24: b""})).block_size == SECTOR


# The boot catalogue, as firmware sees it


@pytest.mark.parametrize(
    ("catalogue", "boot", "platforms"),
    [
        (boot_catalogue(boot_entry()), ("bios",), (X86,)),
        (boot_catalogue(boot_entry(), platform=EFI), ("uefi",), (EFI,)),
        (boot_catalogue(boot_entry(), section_header(EFI), boot_entry()), ("bios", "uefi"), (X86, EFI)),
        (boot_catalogue(boot_entry(), section_header(EFI, more=True), boot_entry()), ("bios", "uefi"), (X86, EFI)),
        (boot_catalogue(boot_entry(), boot_entry()), ("bios", "uefi"), (X86,)),
        (boot_catalogue(boot_entry(), section_header(EFI), boot_entry(0)), ("bios",), (X86, EFI)),
        (boot_catalogue(boot_entry(0), section_header(EFI), boot_entry()), ("uefi",), (X86, EFI)),
        (boot_catalogue(bytes(32), section_header(EFI), boot_entry()), ("uefi",), (X86, EFI)),
        (boot_catalogue(boot_entry(), b"\xdf" * 32, section_header(EFI), boot_entry()), ("bios",), (X86,)),
        (boot_catalogue(boot_entry(), bytes(32), section_header(EFI), boot_entry()), ("bios",), (X86,)),
        (boot_catalogue(boot_entry(), section_header(EFI), boot_entry(), checksum=False), ("bios",), (X86, EFI)),
        (boot_catalogue(boot_entry(), platform=POWERPC), (), (POWERPC,)),
    ],
)
def test_a_catalogue_boots_what_firmware_boots(
    catalogue: bytes, boot: tuple[str, ...], platforms: tuple[int, ...]
) -> None:
    media = media_with_catalogue(catalogue)
    assert (media.bootable, media.boot, media.platforms) == (True, boot, platforms)


@pytest.mark.parametrize(
    "catalogue",
    [
        boot_catalogue(boot_entry(0)),
        boot_catalogue(),
        bytes(SECTOR),
        b"\2" + boot_catalogue(boot_entry())[1:],
        boot_catalogue(boot_entry())[:30] + b"\xaa\x55" + boot_catalogue(boot_entry())[32:],
    ],
)
def test_a_catalogue_that_no_firmware_boots_is_not_bootable(catalogue: bytes) -> None:
    assert not media_with_catalogue(catalogue).bootable


def test_a_catalogue_behind_the_end_and_a_foreign_boot_record_are_not_bootable() -> None:
    for record in (boot_record(1 << 31), boot_record(4_294_967_295), boot_record(20, b"ARM BOOT")):
        sectors = {16: primary(), 17: record, 18: terminator(), 20: boot_catalogue(boot_entry()), 23: b""}
        assert not read_media(InMemory(sectors)).bootable


# UDF alone


def test_an_image_that_is_udf_alone_is_named_by_its_logical_volume() -> None:
    label = "Caf\xe9, a disc whose name is longer than that of a primary descriptor"
    media = read_media(InMemory(udf_sectors(label, volume_set="0123 set"), 300 * SECTOR))
    assert (media.volume_id, media.volume_set_id, media.udf) == (label, "0123 set", True)
    assert (media.volume_size, media.error, media.bootable) == (300 * SECTOR, None, False)


def test_an_image_that_is_udf_alone_costs_18_kib() -> None:
    source = InMemory(udf_sectors("CCCOMA_X64FRE"))
    assert read_media(source).volume_id == "CCCOMA_X64FRE"
    assert [size for _, size in source.reads] == [8192, 2048, 8192]


def test_a_boot_descriptor_before_the_recognition_of_udf_hides_nothing() -> None:
    sectors = {**udf_sectors("BOOT2"), 17: structure(b"BOOT2"), 18: structure(b"NSR03"), 19: structure(b"TEA01")}
    assert read_media(InMemory(sectors)).volume_id == "BOOT2"


def test_the_anchor_at_the_end_of_a_udf_image_does() -> None:
    sectors = udf_sectors("LAST")
    sectors[299] = sectors.pop(256)
    assert read_media(InMemory(sectors)).volume_id == "LAST"


def test_a_udf_image_without_its_descriptors_is_incomplete() -> None:
    sectors = udf_sectors("LOST")
    del sectors[256]
    assert read_media(InMemory(sectors)).error == "incomplete"


# Broken ones


@pytest.mark.parametrize("content", [b"", b"#!/usr/bin/python3\n" * 3000, bytes(1 << 20), b"\xff" * (1 << 20)])
def test_what_is_no_image_is_damaged_and_named(content: bytes) -> None:
    with pytest.raises(Damaged, match="'memory' is not an ISO 9660 or UDF image"):
        read_media(InMemory(content))


def test_descriptors_without_a_primary_one_are_no_image() -> None:
    with pytest.raises(Damaged):
        read_media(InMemory({16: supplementary(), 17: boot_record(19), 18: terminator()}))


@pytest.mark.parametrize("udf", [False, True])
def test_truncated_at_every_sector_it_is_incomplete_or_no_image(tmp_path: Path, udf: bool) -> None:
    content = make_image(tmp_path / "a.iso", joliet=True, uefi=True, udf=udf).read_bytes()
    for sectors in range(len(content) // SECTOR):
        for extra in (0, 1000):
            try:
                assert read_media(InMemory(content[: sectors * SECTOR + extra])).error == "incomplete"
            except Damaged:
                assert sectors <= 16
    assert read_media(InMemory(content)).error is None


def test_a_udf_image_truncated_at_every_sector_is_incomplete_or_no_image() -> None:
    content = InMemory(udf_sectors("UDF")).content.ljust(300 * SECTOR, b"\0")
    for sectors in range(300):
        try:
            assert read_media(InMemory(content[: sectors * SECTOR])).error == "incomplete"
        except Damaged:
            assert sectors <= 17


def test_a_sequence_that_never_ends_is_left_after_64_kib() -> None:
    for descriptor in (primary(volume_id="ENDLESS"), boot_record(17), supplementary(), structure(b"BOOT2")):
        start = {16: primary(), 17: boot_record(40), 18: structure(b"BEA01")}
        source = InMemory({**start, **dict.fromkeys(range(19, 200), descriptor)})
        read_media(source)
        assert sum(size for _, size in source.reads) <= 65536


def test_a_late_terminator_is_found_and_the_catalogue_still_read() -> None:
    late = {at: supplementary() for at in range(17, 44)}
    sectors = {16: primary(), **late, 44: boot_record(50), 45: terminator(), 50: boot_catalogue(boot_entry())}
    assert read_media(InMemory(sectors)).bootable


def test_udf_descriptors_that_lead_in_a_circle_end() -> None:
    sectors = udf_sectors("CIRCLE")
    anchor = bytearray(sectors[256])
    anchor[16:24] = struct.pack("<LL", 0xFFFFFFFF, 256)
    source = InMemory({**sectors, **dict.fromkeys(range(256, 299), bytes(anchor))})
    assert read_media(source).volume_id == ""
    assert source.reads[-2:] == [(256 * SECTOR, 4 * SECTOR), (260 * SECTOR, 4 * SECTOR)]


def test_a_file_that_changes_under_the_reader_gives_what_was_read(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso")
    with open_source(str(path)) as source:
        os.truncate(path, 18 * SECTOR)
        assert not read_media(source).bootable
        lay_out(path, {16: b"gone"})
        with pytest.raises(Damaged):
            read_media(source)


def test_mutated_images_give_a_record_or_damaged_within_64_kib(tmp_path: Path) -> None:
    chance = random.Random(9660)  # noqa: S311
    path = make_image(tmp_path / "a.iso", uefi=True, joliet=True, udf=True, **LABELS)
    seeds = [path.read_bytes()[: 300 * SECTOR], InMemory(udf_sectors("UDF")).content]
    for _ in range(1000):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 3, 30))):
            at = chance.choice((16, 17, 18, 19, 20, 21, 32, 33, 34, 256, 275)) * SECTOR
            at += chance.choice((chance.randrange(8), chance.randrange(256), chance.randrange(SECTOR)))
            content[at % len(content)] = chance.choice((0, 1, 2, 0x44, 0x88, 0x91, 0xFF, chance.randrange(256)))
        source = InMemory(bytes(content))
        with contextlib.suppress(Damaged):
            assert isinstance(read_media(source), Media)
        assert sum(size for _, size in source.reads) <= 65536
