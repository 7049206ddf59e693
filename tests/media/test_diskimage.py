"""Disk images, told apart by what is in them; what their headers name is never followed unasked."""

import os
import shutil
import struct
import subprocess

import pytest

from kimchictl.errors import Damaged, Invalid, KimchiError, NotFound
from kimchictl.media.diskimage import DiskImage, glance, read_disk_image, refuse_strangers
from kimchictl.media.source import open_source

GIB = 1 << 30
needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


def qcow2(path, size=GIB, version=3, backing=b"", features=0, extensions=b"", encrypted=0):
    """A qcow2 header of that kind; there is no table of clusters behind it."""
    at = 4096 if backing else 0
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", version, at, len(backing), 16, size, encrypted).ljust(72, b"\0")
    if version == 3:
        header += struct.pack(">QQQII", features, 0, 0, 4, 104) + extensions
    path.write_bytes(header.ljust(4096, b"\0") + backing + b"\0" * 512)
    return str(path)


def raw(path, size=GIB, table=b"\x55\xaa"):
    with open(path, "wb") as file:
        file.write(b"\0" * 510 + table)
        file.truncate(size)
    return str(path)


def test_a_raw_disk_is_one_with_a_partition_table(tmp_path):
    path = raw(tmp_path / "a.img", 5 << 20)
    assert read_disk_image(path) == DiskImage(path, "raw", 5 << 20)


def test_a_link_is_resolved(tmp_path):
    path = raw(tmp_path / "a.img")
    os.symlink("a.img", tmp_path / "link")
    assert read_disk_image(str(tmp_path / "link")).path == path


@needs_qemu
@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_what_qemu_makes_is_read(tmp_path, compat):
    path = str(tmp_path / "a.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"compat={compat}", path, "3G"], check=True)
    assert read_disk_image(path) == DiskImage(path, "qcow2", 3 * GIB)


@needs_qemu
def test_a_backing_and_a_data_file_that_qemu_wrote_are_found(tmp_path):
    base, over, data = raw(tmp_path / "base"), str(tmp_path / "over"), str(tmp_path / "data")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", over], check=True)
    assert read_disk_image(over).backing == base
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/out", data, "1G"], check=True
    )
    assert read_disk_image(data).data_file == f"{tmp_path}/out"


@needs_qemu
@pytest.mark.parametrize("form", ["vmdk", "qed", "vpc", "vdi", "vhdx", "qcow"])
def test_another_format_is_refused_by_name_with_the_way_to_convert_it(tmp_path, form):
    path = str(tmp_path / "a")
    subprocess.run(["qemu-img", "create", "-q", "-f", form, path, "16M"], check=True)
    with pytest.raises(Invalid, match=form) as caught:
        read_disk_image(path)
    assert "qemu-img convert" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"text\n" * 900, b"QFI", b"\x1f\x8b" + b"\0" * 2000, b"LUKS\xba\xbe" + b"\0" * 2000, b"\0" * 4096]
)
def test_what_is_no_disk_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(Invalid):
        read_disk_image(str(tmp_path / "a"))


def test_an_iso_is_no_disk(tmp_path):
    from lab.images import make_image

    with pytest.raises(Invalid, match="ISO") as caught:
        read_disk_image(str(make_image(tmp_path / "a.iso", "X")))
    assert "--cdrom" in caught.value.hint


def test_every_truncation_of_a_header_is_a_record_or_an_error(tmp_path):
    whole = open(qcow2(tmp_path / "a", backing=b"/etc/shadow", features=4), "rb").read()  # noqa: SIM115
    for length in range(0, 200):
        (tmp_path / "b").write_bytes(whole[:length])
        with pytest.raises(KimchiError):
            refuse_strangers(read_disk_image(str(tmp_path / "b")), ())


@pytest.mark.parametrize(
    "settings", [{"features": 2}, {"encrypted": 1}, {"version": 9}, {"backing": b"x" * 2000}], ids=str
)
def test_what_cannot_back_a_disk_is_refused(tmp_path, settings):
    with pytest.raises((Damaged, Invalid)):
        read_disk_image(qcow2(tmp_path / "a", **settings))


def test_a_name_that_is_said_to_be_where_no_file_ends_is_damage(tmp_path):
    path = qcow2(tmp_path / "a", backing=b"base")
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\xff" * 8)
    with pytest.raises(Damaged):
        read_disk_image(path)
    with open_source(path) as source:
        assert glance(source) is None


@pytest.mark.parametrize("name", [b"/etc/shadow", b"other.img", b"json:{}", b"nbd://h/x", b"nbd:unix:/x"])
def test_a_backing_file_that_nobody_named_is_refused(tmp_path, name):
    image = read_disk_image(qcow2(tmp_path / "a", backing=name))
    with pytest.raises(Invalid, match="which nobody named"):
        refuse_strangers(image, ())


def test_a_backing_file_that_was_named_will_do_unless_it_names_another(tmp_path):
    base = raw(tmp_path / "base")
    image = read_disk_image(qcow2(tmp_path / "a", backing=b"base"))
    refuse_strangers(image, (base,))
    qcow2(tmp_path / "base", backing=b"/etc/shadow")
    with pytest.raises(Invalid, match="shadow"):
        refuse_strangers(image, (base,))


def test_a_chain_that_ends_in_itself_ends(tmp_path):
    path = qcow2(tmp_path / "a", backing=b"a")
    with pytest.raises(KimchiError, match="too long a chain"):
        refuse_strangers(read_disk_image(path), (path,))


def test_a_data_file_is_refused_even_without_a_name(tmp_path):
    with pytest.raises(Invalid, match="keeps its data"):
        refuse_strangers(read_disk_image(qcow2(tmp_path / "a", features=4)), ())


def test_a_missing_one_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        read_disk_image(str(tmp_path / "gone"))
