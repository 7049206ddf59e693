"""The prober: one record for an image from wherever it is asked, and a record for what could not be read, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kimchictl.errors import Damaged, Invalid, NotFound
from kimchictl.media.probe import describe, is_fresh, probe_path, probe_record
from kimchictl.media.records import Identity, Media
from lab.images import InMemory, make_image


def test_an_image_is_described_from_its_stamp_its_descriptors_and_its_name(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso", "FOO 1", publisher_id="Somebody", uefi=True)
    os.utime(path, (0, 1700000000.9))
    image = probe_path(str(path))
    assert (image.location, image.source, image.size) == (str(path), "file", path.stat().st_size)
    assert image.mtime == "2023-11-14T22:13:20Z"
    assert (image.volume_id, image.publisher_id, image.system_id) == ("FOO 1", "Somebody", "")
    assert (image.bootable, image.boot, image.readable, image.error) == (True, ("bios", "uefi"), True, None)
    assert (image.os_distro, image.os_version, image.host, image.capacity) == ("unknown", "unknown", None, None)


def test_the_name_of_the_system_comes_from_the_labels(tmp_path: Path) -> None:
    image = probe_path(str(make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")))
    assert (image.os_distro, image.os_version, image.os_arch) == ("debian", "12.5.0", "x86_64")


def test_a_file_given_alone_and_met_by_a_scan_is_the_same_record(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso", "FOO 1")
    (tmp_path / "link.iso").symlink_to(path)
    assert probe_path(str(tmp_path / "link.iso")) == probe_record(str(path)) == probe_path(str(path))


def test_an_incomplete_image_is_a_record_with_an_error(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.iso", "Fedora-WS-Live-40-1-14")
    os.truncate(path, 20 * 2048)
    image = probe_path(str(path))
    assert (image.error, image.readable, image.volume_id) == ("incomplete", True, "Fedora-WS-Live-40-1-14")


def test_what_is_no_image_is_refused_by_name_and_recorded_by_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "notes.iso"
    path.write_text("not an image" * 9999)
    with pytest.raises(Damaged, match="is not an ISO 9660 or UDF image"):
        probe_path(str(path))
    image = probe_record(str(path))
    assert (image.error, image.readable, image.bootable) == ("not an ISO 9660 or UDF image", True, None)
    assert image.size == path.stat().st_size


def test_a_scan_records_what_it_cannot_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.iso")
    for name, reason, error in (
        ("gone.iso", "does not exist", NotFound),
        ("pipe.iso", "neither a file nor a block device", Invalid),
    ):
        with pytest.raises(error):
            probe_path(str(tmp_path / name))
        image = probe_record(str(tmp_path / name))
        assert (image.readable, image.error, image.volume_id) == (False, reason, None)


def test_a_machine_without_bios_is_not_said_to_boot_by_it() -> None:
    media = Media(size=0, bootable=True, boot=("bios",), platforms=(0,))
    boots = {arch: describe(InMemory(b""), media, Identity(os_arch=arch)).boot for arch in ("aarch64", "s390x", "i686")}
    assert boots == {"aarch64": ("uefi",), "s390x": (), "i686": ("bios",)}


@pytest.mark.parametrize(
    ("mtime", "fresh"),
    [
        (1000.0, True),
        (941.0, True),
        (940.0, False),
        (1030.0, True),
        (9999.0, False),
        ("1970-01-01T00:16:39Z", True),
        ("1970-01-01T00:01:00Z", False),
        (None, False),
    ],
)
def test_what_changed_within_the_minute_is_fresh(mtime: str | float | None, fresh: bool) -> None:
    assert is_fresh(mtime, now=1000.0) is fresh


def test_every_key_has_a_plain_value(tmp_path: Path) -> None:
    record = probe_path(str(make_image(tmp_path / "a.iso")))._asdict()
    assert {type(value) for value in record.values()} <= {str, int, bool, tuple, type(None)}


def test_probing_loads_neither_pycdlib_nor_libvirt() -> None:
    heavy = {"pycdlib", "libvirt", "rich", "urllib.request"}
    code = f"import sys, kimchictl.media.probe; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
