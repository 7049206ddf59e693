"""A volume known as raw is raw, whatever its guest wrote to its beginning; and headers that name strangers' files."""

import os
import struct
import subprocess

import libvirt
import pytest

MIB = 1 << 20
LENGTH = 3 * MIB + 1024


def forged(path, backing=b"/etc/shadow", data_file=b""):
    """A disk whose guest wrote a qcow2 header to its beginning: of 10 TiB, backed by a file of the host."""
    at = 4096 if backing else 0
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, at, len(backing), 16, 10 << 40, 0).ljust(72, b"\0")
    header += struct.pack(">QQQII", 4 if data_file else 0, 0, 0, 4, 104)
    if data_file:
        header += struct.pack(">II", 0x44415441, len(data_file)) + data_file.ljust((len(data_file) + 7) // 8 * 8, b"\0")
    path.write_bytes((header.ljust(4096, b"\0") + backing).ljust(LENGTH, b"\0"))
    return path


def guest(host, path, form="raw"):
    """A VM `web` with `path` as its disk."""
    connection = libvirt.open(host.uri)
    connection.defineXML(f"""<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
      <devices><disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'/><target dev='vda'/></disk>
      </devices></domain>""")
    connection.close()


@pytest.fixture
def disk(pool, host):
    """The raw disk of a VM, with such a header."""
    guest(host, forged(pool / "d.img"))
    return pool / "d.img"


def backing_of(path):
    info = subprocess.run(["qemu-img", "info", "-U", path], check=True, capture_output=True, text=True).stdout
    return [line.split(": ")[1] for line in info.splitlines() if line.startswith("backing file")]


def xml_of(host, name):
    connection = libvirt.open(host.uri)
    document = connection.lookupByName(name).XMLDesc()
    connection.close()
    return document


def test_a_raw_disk_has_the_length_of_its_file(disk, kimchi):
    (listed,) = kimchi("volume", "list", "p", "-o", "json", status=0).json
    shown = kimchi("volume", "show", "p", "d.img", "-o", "json", status=0).json
    for volume in (listed, shown):
        assert [volume[key] for key in ("format", "capacity", "physical", "backing")] == ["raw", LENGTH, LENGTH, None]


def test_what_is_made_upon_it_takes_it_for_raw_and_has_its_size(disk, kimchi):
    made = kimchi("volume", "create", "p", "top.qcow2", "--backing", "d.img", "-o", "json", status=0).json
    assert (made["capacity"], backing_of(disk.parent / "top.qcow2")) == (LENGTH, [str(disk), "raw"])


def test_it_is_not_resized_by_libvirt_which_would_misread_it(disk, kimchi):
    before = disk.read_bytes()
    kimchi("volume", "resize", "p", "d.img", "1G", status=4)
    assert disk.read_bytes() == before


def test_its_copy_has_its_bytes_and_so_has_its_download(disk, kimchi, tmp_path):
    made = kimchi("volume", "clone", "p", "d.img", "copy", "-o", "json", status=0).json
    kimchi("volume", "download", "p", "d.img", tmp_path / "out", status=0)
    assert made["format"] == "raw" and made["capacity"] == LENGTH
    assert (disk.parent / "copy").read_bytes() == (tmp_path / "out").read_bytes() == disk.read_bytes()


@pytest.mark.parametrize("linked", [(), ("--linked",)])
def test_the_clone_of_its_vm_reads_no_file_of_the_host(disk, kimchi, host, linked):
    kimchi("vm", "clone", "web", "w2", *linked, status=0)
    if linked:
        assert backing_of(disk.parent / "w2.qcow2") == [str(disk), "raw"]
        (listed,) = (v for v in kimchi("volume", "list", "p", "-o", "json").json if v["name"] == "d.img")
        assert (listed["format"], listed["capacity"]) == ("raw", LENGTH), "its overlays say that it is raw"
        kimchi("volume", "create", "p", "x.qcow2", "--backing", "d.img", status=0)
        assert backing_of(disk.parent / "x.qcow2") == [str(disk), "raw"]
    else:
        assert "type='raw'" in xml_of(host, "w2") and "type='qcow2'" not in xml_of(host, "w2")


def test_its_header_protects_no_other_volume(pool, host, kimchi):
    kimchi("volume", "create", "p", "base.qcow2", "--size", "1M", status=0)
    guest(host, forged(pool / "d.img", os.fsencode(pool / "base.qcow2")))
    kimchi("volume", "delete", "p", "base.qcow2", "--yes", status=0)


def test_a_link_on_the_way_to_it_makes_no_difference(pool, host, kimchi, tmp_path):
    (tmp_path / "link").symlink_to(pool)
    kimchi("pool", "create", "linked", "--path", tmp_path / "link", "--start", status=0)
    guest(host, forged(pool / "d.img"))
    made = kimchi("volume", "create", "linked", "top", "--backing", "d.img", "-o", "json", status=0).json
    assert made["backing_format"] == "raw"


@pytest.mark.parametrize(
    "header", [{"backing": b"/etc/shadow"}, {"backing": b"", "data_file": b"/etc/shadow"}], ids=str
)
def test_an_image_that_names_a_stranger_s_file_backs_nothing_and_is_not_copied(pool, kimchi, host, header):
    forged(pool / "evil.qcow2", **header)
    kimchi("volume", "create", "p", "top", "--backing", "evil.qcow2", status=4)
    kimchi("volume", "clone", "p", "evil.qcow2", status=4)
    kimchi("volume", "create", "p", "d.img", "--size", "1M", "--format", "raw", status=0)
    guest(host, pool / "d.img")
    kimchi("vm", "disk", "attach", "web", "pool:p/evil.qcow2", status=4)
    assert sorted(os.listdir(pool)) == ["d.img", "evil.qcow2"]
