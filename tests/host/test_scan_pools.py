"""The shallow scan on a private libvirtd."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from lab.host import PrivateHost
from lab.images import make_image
from lab.run import Run

Kimchi = Callable[..., Run]


@pytest.fixture
def pool(host: PrivateHost, kimchi: Kimchi, tmp_path: Path) -> Path:
    """The directory of the active pool "images": good images, a damaged one, and a file that only looks like one."""
    path = tmp_path / "images"
    kimchi("pool", "create", "images", "--type", "dir", "--path", path, "--start", status=0)
    make_image(path / "fedora.iso", "Fedora 17 x86_64")
    make_image(path / "disk.img", "Debian 12.5.0 amd64 n")
    os.truncate(make_image(path / "bad.iso", "Debian 11.0.0 amd64 n", size=100 * 2048), 60 * 2048)
    (path / "notes.iso").write_text("no image")
    return path


def test_images_are_known_by_their_content_and_bad_ones_are_noted(pool: Path, kimchi: Kimchi) -> None:
    done = kimchi("iso", "scan", "-o", "json", status=0)
    images = {image["volume"]: image for image in done.json}
    assert images.keys() == {"fedora.iso", "disk.img", "bad.iso"}
    fedora = images["fedora.iso"]
    assert (fedora["os_distro"], fedora["os_version"], fedora["bootable"]) == ("fedora", "17", True)
    assert (fedora["pool"], fedora["source"], fedora["location"]) == ("images", "pool", str(pool / "fedora.iso"))
    assert images["bad.iso"]["error"] == "incomplete" and "bad.iso: incomplete" in done.err and "notes.iso" in done.err


def test_a_rescan_reports_what_changed_in_the_pool_and_the_index_lists_it(pool: Path, kimchi: Kimchi) -> None:
    kimchi("iso", "scan", "--changed", status=0)
    assert kimchi("iso", "scan", "--changed", "-o", "json", status=0).json == []
    (pool / "fedora.iso").unlink()
    shutil.copy(pool / "disk.img", pool / "new.iso")
    changes = kimchi("iso", "scan", "--changed", "--detailed-exitcode", "-o", "json", status=10).json
    assert {(image["change"], image["volume"]) for image in changes} == {
        ("removed", "fedora.iso"),
        ("added", "new.iso"),
    }
    assert {image["volume"] for image in kimchi("iso", "list", "-o", "json").json} == {"new.iso", "disk.img", "bad.iso"}


def test_an_inactive_pool_and_one_whose_directory_is_gone_cost_the_others_nothing(
    pool: Path, kimchi: Kimchi, tmp_path: Path
) -> None:
    kimchi("pool", "create", "off", "--type", "dir", "--path", tmp_path / "off", status=0)
    kimchi("pool", "create", "gone", "--type", "dir", "--path", tmp_path / "gone", "--start", status=0)
    (tmp_path / "gone").rmdir()
    done = kimchi("iso", "scan", "-o", "json", status=0)
    assert len(done.json) == 3 and "'off'" in done.err and "'gone'" in done.err


def test_pools_named_by_hand_that_cannot_be_scanned_are_errors_beside_the_hits_of_the_others(
    pool: Path, kimchi: Kimchi, tmp_path: Path
) -> None:
    kimchi("pool", "create", "off", "--type", "dir", "--path", tmp_path / "off", status=0)
    done = kimchi("iso", "scan", "--pool", "images", "--pool", "nosuch", "--pool", "off", "-o", "json", status=7)
    assert len(done.json) == 3 and "not_found" in done.err and "'off' is inactive" in done.err
    assert kimchi("iso", "scan", "--pool", "off", status=4).out == ""
    assert kimchi("iso", "scan", "--pool", "nosuch", "-o", "json", status=3).out == ""


def test_only_the_pools_named_are_scanned_and_a_missing_one_is_refused(pool: Path, kimchi: Kimchi) -> None:
    assert len(kimchi("iso", "scan", "--pool", "images", "-o", "json", status=0).json) == 3
    kimchi("iso", "scan", "--pool", "nosuchpool", status=3)


def test_a_pool_costs_three_calls_to_libvirt_however_many_images_are_in_it(
    pool: Path, kimchi: Kimchi, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for kind in (libvirt.virStoragePool, libvirt.virStorageVol):
        for name in set(dir(kind)) - {"name", "UUIDString", "connect"}:  # these ask nobody
            if not name.startswith("_"):
                monkeypatch.setattr(kind, name, counted(calls, name, getattr(kind, name)))
    assert len(kimchi("iso", "scan", "-o", "json", status=0).json) == 3
    assert sorted(calls) == ["XMLDesc", "isActive", "refresh"]
    for number in range(200):
        shutil.copy(pool / "fedora.iso", pool / f"{number}.iso")
    assert len(kimchi("iso", "scan", "-o", "json", status=0).json) == 203
    assert len(calls) == 6


def counted(calls: list[str], name: str, work: Callable[..., object]) -> Callable[..., object]:
    def call(*argv: object) -> object:
        calls.append(name)
        return work(*argv)

    return call
