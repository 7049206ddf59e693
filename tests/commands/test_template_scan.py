"""Templates for what a scan found."""

import os

import pytest

from lab.images import make_image


@pytest.fixture
def tree(tmp_path):
    """Debian with a copy, Ubuntu, an unknown system, and one that cannot boot."""
    top = tmp_path / "iso"
    top.mkdir()
    make_image(top / "debian.iso", "Debian 12.5.0 amd64 n")
    (top / "copy.iso").write_bytes((top / "debian.iso").read_bytes())
    make_image(top / "ubuntu.iso", "Ubuntu-Server 24.04.1 LTS amd64")
    make_image(top / "foo.iso", "FOO 1")
    make_image(top / "data.iso", "DATA", bios=False)
    return top


@pytest.fixture
def scanned(kimchi, tree):
    kimchi("iso", "scan", "--deep", tree, status=0)
    return tree


def names(kimchi):
    return kimchi("template", "list", "-o", "name").out.split()


def test_every_bootable_image_gets_one_and_copies_count_once(kimchi, scanned):
    kimchi("template", "create", "--from-scan", status=0)
    assert names(kimchi) == ["debian-12", "foo-1", "ubuntu-24.04-server"]


def test_a_second_time_nothing_is_left_to_do(kimchi, scanned):
    kimchi("template", "create", "--from-scan", status=0)
    done = kimchi("template", "create", "--from-scan", "-o", "json", status=0)
    assert done.json == []
    assert "has a template" in done.err
    assert len(names(kimchi)) == 3


def test_images_can_be_chosen_and_options_hold_for_all(kimchi, scanned):
    words = ("--filter", "os_distro!=unknown", "--memory", "3G")
    made = kimchi("template", "create", "--from-scan", *words, "-o", "json", status=0).json
    assert [(row["name"], row["memory"]) for row in made] == [("debian-12", 3072), ("ubuntu-24.04-server", 3072)]


def test_an_image_that_somebody_named_in_a_template_has_one(kimchi, scanned):
    kimchi("template", "create", "mine", "--cdrom", scanned / "foo.iso", "--no-check", status=0)
    kimchi("template", "create", "--from-scan", status=0)
    assert names(kimchi) == ["debian-12", "mine", "ubuntu-24.04-server"]


def test_a_template_that_was_deleted_is_not_made_again(kimchi, scanned):
    kimchi("template", "create", "--from-scan", status=0)
    kimchi("template", "delete", "debian-12", status=0)
    said = kimchi("template", "create", "--from-scan", status=0).err
    assert "is left out" in said and f"create --cdrom {scanned}/copy.iso" in said
    assert names(kimchi) == ["foo-1", "ubuntu-24.04-server"]
    kimchi("template", "create", "--cdrom", scanned / "debian.iso", status=0)
    assert "debian-12" in names(kimchi)


def test_one_that_fails_is_a_line_and_costs_the_others_nothing(kimchi, scanned):
    os.unlink(scanned / "foo.iso")
    done = kimchi("template", "create", "--from-scan", status=7)
    assert f"{scanned}/foo.iso" in done.err
    assert names(kimchi) == ["debian-12", "ubuntu-24.04-server"]


def test_a_dry_run_tells_the_names_and_makes_nothing(kimchi, scanned):
    made = kimchi("template", "create", "--from-scan", "--dry-run", "-o", "name", status=0).out.split()
    assert made == ["debian-12", "foo-1", "ubuntu-24.04-server"]
    assert names(kimchi) == []


def test_a_name_that_another_image_has_is_numbered(kimchi, scanned):
    make_image(scanned / "newer.iso", "Debian 12.6.0 amd64 n")
    kimchi("iso", "scan", "--deep", scanned, status=0)
    kimchi("template", "create", "--from-scan", status=0)
    assert names(kimchi) == ["debian-12", "debian-12-2", "foo-1", "ubuntu-24.04-server"]


def test_nothing_scanned_is_said(kimchi):
    assert "scan first" in kimchi("template", "create", "--from-scan", status=0).err
