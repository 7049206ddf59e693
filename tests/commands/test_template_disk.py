"""Templates of a disk image."""

import struct

import pytest

GIB = 1 << 30


@pytest.fixture
def disk(tmp_path):
    """Makes the header of a qcow2 image of that size: `disk(10 * GIB)` -> its path."""

    def make(size, backing=b""):
        path = tmp_path / "debian-12-generic.qcow2"
        header = struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 512 if backing else 0, len(backing), 16, size)
        path.write_bytes(header.ljust(512, b"\0") + backing.ljust(1024, b"\0"))
        return path

    return make


def stored(kimchi, name):
    return kimchi("template", "show", name, "--stored", status=0).json


def test_the_image_backs_the_first_disk_which_is_never_smaller(kimchi, disk):
    path = disk(3 * GIB + 1)
    kimchi("template", "create", "--image", path, "--memory", "1G", status=0)
    template = stored(kimchi, "debian-12-generic")
    assert (template["disks"], template["cdrom"]) == ([{"size": 4, "base": str(path)}], None)


def test_more_disks_and_another_size_can_be_asked_for(kimchi, disk):
    path = disk(3 * GIB)
    words = ("--image", path, "--disk", "size=40G", "--disk", "size=5G", "--os-distro", "debian", "--os-version", "12")
    kimchi("template", "create", *words, status=0)
    assert stored(kimchi, "debian-12")["disks"] == [{"size": 40, "base": str(path)}, {"size": 5}]


def test_a_size_below_the_images_own_is_raised_and_that_is_said(kimchi, disk):
    done = kimchi("template", "create", "x", "--image", disk(3 * GIB), "--disk", "size=1G", status=0)
    assert "gets 3 GiB" in done.err
    assert stored(kimchi, "x")["disks"][0]["size"] == 3


def test_a_backing_file_must_be_named(kimchi, disk, tmp_path):
    path = disk(GIB, b"/etc/shadow")
    assert "/etc/shadow" in kimchi("template", "create", "x", "--image", path, status=4).err
    (tmp_path / "base").write_bytes((b"\0" * 510 + b"\x55\xaa").ljust(4096, b"\0"))
    path = disk(GIB, str(tmp_path / "base").encode())
    kimchi("template", "create", "x", "--image", path, "--backing", tmp_path / "base", status=0)


@pytest.mark.parametrize("words", [("--image", "a", "--netboot"), ("--netboot", "--backing", "x")])
def test_wrong_usage(kimchi, words):
    kimchi("template", "create", "x", *words, status=2)


def test_a_disk_that_is_no_qcow2_cannot_be_backed(kimchi, disk):
    kimchi("template", "create", "x", "--image", disk(GIB), "--disk", "size=5,format=raw", status=4)


def test_where_no_host_can_be_asked_it_is_said_that_nobody_knows_who_writes(kimchi, disk):
    run = kimchi("-c", "qemu+unix:///system?socket=/nonexistent", "template", "create", "--image", disk(GIB), status=0)
    assert "whether a VM writes to" in run.err


def test_a_disk_never_gets_smaller_than_its_base(kimchi, disk):
    kimchi("template", "create", "x", "--image", disk(3 * GIB), status=0)
    run = kimchi("template", "edit", "x", "--disk", "0,size=1G", status=0)
    assert stored(kimchi, "x")["disks"][0]["size"] == 3 and "disk 0 gets 3 GiB" in run.err


def test_a_base_that_an_option_names_is_read_and_made_absolute(kimchi, disk, monkeypatch):
    path = disk(3 * GIB)
    monkeypatch.chdir(path.parent)
    kimchi("template", "create", "x", "--netboot", "--disk", f"base={path.name},size=1G", status=0)
    assert stored(kimchi, "x")["disks"] == [{"size": 3, "base": str(path)}]


@pytest.mark.parametrize("words", [("create", "y", "--netboot"), ("edit", "x")])
def test_a_base_that_names_a_file_nobody_named_is_refused_whichever_option_names_it(kimchi, disk, words):
    kimchi("template", "create", "x", "--netboot", status=0)
    path = disk(GIB, b"/etc/shadow")
    run = kimchi("template", *words, "--disk", f"base={path}", status=4)
    assert "'/etc/shadow'" in run.err


def test_the_size_can_be_changed_when_the_base_is_gone(kimchi, disk):
    path = disk(GIB)
    kimchi("template", "create", "x", "--image", path, status=0)
    path.unlink()
    kimchi("template", "edit", "x", "--disk", "0,size=5G", status=0)
    assert stored(kimchi, "x")["disks"][0]["size"] == 5
