"""Volumes on a real libvirtd: made, sent and fetched, resized, copied, wiped, refused where something needs them."""

import hashlib
import os
import subprocess
import sys

import libvirt
import pytest

from lab.images import make_image

MIB = 1 << 20


@pytest.fixture
def pool(host, kimchi, tmp_path):
    """The directory of an active pool `p`."""
    kimchi("pool", "create", "p", "--path", tmp_path / "p", "--start", status=0)
    return tmp_path / "p"


@pytest.fixture
def file(tmp_path):
    """A file of 5 MiB with holes in the middle and at its end."""
    path = tmp_path / "data.img"
    with path.open("wb") as out:
        out.write(os.urandom(MIB))
        out.seek(3 * MIB)
        out.write(os.urandom(4096))
        out.truncate(5 * MIB)
    return path


def shown(kimchi, name, pool="p"):
    return kimchi("volume", "show", pool, name, "-o", "json", status=0).json


def guest(host, path, form="qcow2", start=False):
    """A VM `web` with `path` as its disk."""
    connection = libvirt.open(host.uri)
    document = f"""<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
      <disk type='file'><driver name='qemu' type='{form}'/><source file='{path}'/><target dev='vda'/></disk>
      </devices></domain>"""
    domain = connection.defineXML(document)
    if start:
        domain.create()
    connection.close()


def blocks(path):
    return os.stat(path).st_blocks * 512


# -- made upon another


def test_a_volume_upon_another_has_its_size_and_keeps_it_from_harm(pool, kimchi):
    kimchi("volume", "create", "p", "base.qcow2", "--size", "1G", status=0)
    kimchi("volume", "create", "p", "top.qcow2", "--backing", "base.qcow2", status=0)
    top = shown(kimchi, "top.qcow2")
    assert (top["capacity"], top["format"], top["backing"]) == (1 << 30, "qcow2", str(pool / "base.qcow2"))
    for verb in (("wipe",), ("delete",)):
        assert "backs pool:p/top.qcow2" in kimchi("volume", *verb, "p", "base.qcow2", "--yes", status=4).err
    assert "backs" in kimchi("volume", "resize", "p", "base.qcow2", "512M", "--shrink", "--yes", status=4).err
    source = pool / "top.qcow2"
    assert "backs" in kimchi("volume", "upload", "p", source, "--name", "base.qcow2", "--yes", status=4).err


def test_what_cannot_back_a_volume_is_refused(pool, kimchi):
    (pool / "sub").mkdir()
    kimchi("volume", "create", "p", "base.qcow2", "--size", "1G", status=0)
    kimchi("volume", "create", "p", "x", "--backing", "gone", status=3)
    kimchi("volume", "create", "p", "x", "--backing", "sub", status=4)
    kimchi("volume", "create", "p", "x", "--backing", "base.qcow2", "--size", "512M", status=4)
    kimchi("volume", "create", "p", "x", "--backing", "base.qcow2", "--format", "raw", status=4)
    kimchi("volume", "create", "p", "x", status=2)
    assert [volume["name"] for volume in kimchi("volume", "list", "p", "-o", "json").json] == ["base.qcow2", "sub"]


# -- sent and fetched back


def test_what_is_uploaded_is_the_same_and_as_sparse(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, status=0)
    assert (pool / "data.img").read_bytes() == file.read_bytes()
    assert blocks(pool / "data.img") <= 2 * MIB


def test_a_volume_of_that_name_is_replaced_only_with_consent(pool, kimchi, file):
    (pool / "data.img").write_bytes(b"old")
    kimchi("volume", "upload", "p", file, status=2)
    assert (pool / "data.img").read_bytes() == b"old"
    kimchi("volume", "upload", "p", file, "--yes", status=0)
    assert (pool / "data.img").read_bytes() == file.read_bytes()


def test_an_upload_that_is_not_what_it_must_be_changes_nothing(pool, kimchi, file):
    (pool / "data.img").write_bytes(b"old")
    kimchi("volume", "upload", "p", file, "--yes", "--checksum", "sha256:" + "0" * 64, status=4)
    assert (pool / "data.img").read_bytes() == b"old"


def test_an_interrupted_upload_leaves_nothing(pool, kimchi, file, monkeypatch):
    from kimchictl.media.source import FileSource

    def interrupted(self, offset, size):
        if offset:
            raise KeyboardInterrupt
        return bytes(size)

    monkeypatch.setattr(FileSource, "read", interrupted)
    kimchi("volume", "upload", "p", file, status=130)
    assert os.listdir(pool) == []
    assert kimchi("volume", "list", "p", "-o", "json").json == []


def test_a_download_is_the_same_and_as_sparse(pool, kimchi, file, tmp_path):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    checksum = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert "verified" in kimchi("volume", "download", "p", "v", tmp_path / "back", "--checksum", checksum, status=0).err
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert blocks(tmp_path / "back") <= 2 * MIB
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=4)
    kimchi("volume", "download", "p", "v", tmp_path / "other", "--checksum", "sha256:" + "0" * 64, status=4)
    assert sorted(os.listdir(tmp_path)) == ["back", "data.img", "p"]


def test_a_broken_download_goes_on_where_it_broke_unless_the_volume_changed(pool, kimchi, file, tmp_path, monkeypatch):
    from kimchictl.virt.storage import volumestream

    whole = volumestream.download

    def breaks(*argv):
        pieces = whole(*argv)
        yield next(pieces)
        raise KeyboardInterrupt

    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    monkeypatch.setattr(volumestream, "download", breaks)
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=130)
    assert not (tmp_path / "back").exists()
    monkeypatch.setattr(volumestream, "download", whole)
    assert "from an earlier attempt" in kimchi("volume", "download", "p", "v", tmp_path / "back", status=0).err
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["back", "data.img", "p"]


def test_a_volume_goes_through_a_pipe(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    words = [sys.executable, "-m", "kimchictl", "volume", "download", "p", "v", "-"]
    assert subprocess.run(words, check=True, capture_output=True).stdout == file.read_bytes()


# -- resized, copied, wiped


def test_a_volume_grows_and_shrinks_only_when_told(pool, kimchi):
    kimchi("volume", "create", "p", "v.qcow2", "--size", "1G", status=0)
    kimchi("volume", "resize", "p", "v.qcow2", "+1G", status=0)
    assert shown(kimchi, "v.qcow2")["capacity"] == 2 << 30
    assert "--shrink" in kimchi("volume", "resize", "p", "v.qcow2", "1G", "--yes", status=4).err
    kimchi("volume", "resize", "p", "v.qcow2", "1G", "--shrink", status=2)
    kimchi("volume", "resize", "p", "v.qcow2", "1G", "--shrink", "--yes", status=0)
    assert shown(kimchi, "v.qcow2")["capacity"] == 1 << 30


def test_a_copy_stands_alone_and_can_be_in_another_pool(pool, kimchi, tmp_path, host):
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    kimchi("volume", "create", "p", "base.qcow2", "--size", "64M", status=0)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 64k", pool / "base.qcow2"], check=True, capture_output=True)
    kimchi("volume", "create", "p", "top.qcow2", "--backing", "base.qcow2", status=0)
    made = kimchi("volume", "clone", "p", "top.qcow2", "--to", "q", "-o", "json", status=0).json
    assert (made["name"], made["backing"], made["capacity"]) == ("top-clone1.qcow2", None, 64 * MIB)
    read = ["qemu-io", "-r", "-c", "read -P 7 0 64k", tmp_path / "q/top-clone1.qcow2"]
    assert b"Pattern verification failed" not in subprocess.run(read, check=True, capture_output=True).stdout
    kimchi("volume", "clone", "p", "base.qcow2", "top.qcow2", status=4)


def test_an_image_backed_by_a_stranger_s_file_is_not_copied(pool, kimchi, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "secret", pool / "evil.qcow2"]
    subprocess.run(make, check=True)
    assert "in no active pool" in kimchi("volume", "clone", "p", "evil.qcow2", status=4).err
    assert os.listdir(pool) == ["evil.qcow2"]


def test_a_wiped_volume_holds_nothing(pool, kimchi):
    (pool / "v").write_bytes(b"secret" * 1000)
    kimchi("volume", "wipe", "p", "v", status=2)
    kimchi("volume", "wipe", "p", "v", "--yes", status=0)
    assert b"secret" not in (pool / "v").read_bytes()


# -- in use


def test_the_disk_of_a_vm_is_refused_to_all_that_would_harm_it(pool, kimchi, file, host):
    kimchi("volume", "create", "p", "d.qcow2", "--size", "64M", status=0)
    guest(host, pool / "d.qcow2", start=True)
    assert shown(kimchi, "d.qcow2")["used_by"] == ["web"]
    for verb, *more in (("delete",), ("wipe",), ("resize", "1G"), ("clone",), ("upload",)):
        words = (file, "--name", "d.qcow2") if verb == "upload" else ("d.qcow2", *more)
        consent = ("--yes",) if verb != "clone" else ()
        assert "web" in kimchi("volume", verb, "p", *words, *consent, status=4).err
    assert "web" in kimchi("volume", "download", "p", "d.qcow2", file.parent / "copy", status=0).err


def test_a_disk_known_as_raw_stays_raw_whatever_its_guest_wrote_to_it(pool, kimchi, tmp_path, host):
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "secret", pool / "d.img"]
    subprocess.run(make, check=True)
    guest(host, pool / "d.img", form="raw")
    (listed,) = kimchi("volume", "list", "p", "-o", "json").json
    assert (listed["format"], listed["backing"]) == ("raw", None)
    kimchi("volume", "create", "p", "top.qcow2", "--backing", "d.img", status=0)
    info = subprocess.run(["qemu-img", "info", pool / "top.qcow2"], check=True, capture_output=True, text=True).stdout
    assert "backing file format: raw" in info
    kimchi("volume", "resize", "p", "d.img", "1G", status=4)


def test_orphans_are_disks_that_nothing_uses(pool, kimchi, host):
    for name in ("d.qcow2", "base.qcow2", "old.qcow2"):
        kimchi("volume", "create", "p", name, "--size", "64M", status=0)
    kimchi("volume", "create", "p", "top.qcow2", "--backing", "base.qcow2", status=0)
    make_image(pool / "a.iso", "Debian 12.5.0 amd64 n")
    guest(host, pool / "d.qcow2")
    assert kimchi("volume", "orphans", "-o", "name", status=0).out.split() == ["old.qcow2", "top.qcow2"]
