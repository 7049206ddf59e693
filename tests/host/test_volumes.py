"""Volumes on a real libvirtd: made, sent and fetched, resized, copied, wiped, refused where something needs them."""

import hashlib
import io
import json
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


def test_what_a_snapshot_needs_is_in_use_though_the_vm_has_it_no_more(pool, kimchi, host):
    kimchi("volume", "create", "p", "d.qcow2", "--size", "64M", status=0)
    guest(host, pool / "d.qcow2")
    connection = libvirt.open(host.uri)
    domain = connection.lookupByName("web")
    disk = f"<disk name='vda' snapshot='external'><source file='{pool}/top.qcow2'/></disk>"
    snapshot = f"<domainsnapshot><name>s</name><disks>{disk}</disks></domainsnapshot>"
    domain.snapshotCreateXML(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    domain.detachDeviceFlags(f"<disk type='file'><source file='{pool}/top.qcow2'/><target dev='vda'/></disk>")
    connection.close()
    used = {volume["name"]: volume["used_by"] for volume in kimchi("volume", "list", "p", "-o", "json").json}
    assert used == {"d.qcow2": ["pool:p/top.qcow2", "web"], "top.qcow2": ["web"]}
    assert kimchi("volume", "orphans", "-o", "name", status=0).out == ""
    kimchi("volume", "delete", "p", "top.qcow2", "--yes", status=4)


def test_a_disk_in_another_pool_is_seen_to_use_what_backs_it(pool, kimchi, host, tmp_path):
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    kimchi("volume", "create", "p", "base.qcow2", "--size", "64M", status=0)
    kimchi("volume", "create", "q", "top.qcow2", "--backing", "pool:p/base.qcow2", status=0)
    guest(host, tmp_path / "q/top.qcow2")
    listed = {volume["name"]: volume["used_by"] for volume in kimchi("volume", "list", "-o", "json", status=0).json}
    assert listed["base.qcow2"] == shown(kimchi, "base.qcow2")["used_by"] == ["pool:q/top.qcow2", "web"]


# -- names


@pytest.mark.parametrize(
    "name", ["-dash", "a#b%20c?&", "caf\u00e9", "cafe\u0301", "\u00e9" * 120, " x ", "'\"<>", "t\tb", ".h"]
)
def test_a_name_goes_through_every_verb(pool, kimchi, tmp_path, name):
    kimchi("volume", "create", "p", "--size", "1M", "--", name, status=0)
    kimchi("volume", "resize", "p", "--", name, "2M", status=0)
    kimchi("volume", "clone", "p", "--", name, "copy", status=0)
    kimchi("volume", "clone", "p", "--", "copy", f"{name}2", status=0)
    kimchi("volume", "wipe", "p", "--yes", "--", name, status=0)
    kimchi("volume", "download", "p", "--", name, tmp_path / "file", status=0)
    kimchi("volume", "upload", "p", tmp_path / "file", "--name", name, "--yes", status=0)
    assert shown_names(kimchi) == sorted((name, f"{name}2", "copy"))
    kimchi("volume", "delete", "p", "--yes", "--", name, f"{name}2", "copy", status=0)
    assert os.listdir(pool) == []


def shown_names(kimchi):
    return sorted(volume["name"] for volume in kimchi("volume", "list", "p", "-o", "json", status=0).json)


def test_a_name_that_is_not_utf_8_is_an_error_and_a_line_break_can_be_got_rid_of(pool, kimchi, tmp_path):
    bad = os.fsdecode(b"bad\xff")
    for name in (bad, "n\nl"):
        (pool / name).write_bytes(b"x")
    assert shown_names(kimchi) == ["n\nl"]
    for verb, *more in (("show",), ("clone",), ("download",), ("wipe", "--yes"), ("delete", "--yes")):
        assert "not UTF-8" in kimchi("volume", verb, "p", bad, *more, status=3).err
    for words in (("create", "p", bad, "--size", "1M"), ("upload", "p", "/etc/hostname", "--name", bad)):
        assert "not UTF-8" in kimchi("volume", *words, status=4).err
    kimchi("volume", "delete", "p", "n\nl", "--yes", status=0)
    assert kimchi("volume", "list", "p", status=0).err.count("not UTF-8") == 1


def test_several_names_go_on_after_a_failure(pool, kimchi):
    kimchi("volume", "create", "p", "base.qcow2", "--size", "1M", status=0)
    kimchi("volume", "create", "p", "top.qcow2", "--backing", "base.qcow2", status=0)
    words = ("volume", "delete", "p", "--yes", "-o", "json", "nosuch", "base.qcow2", "top.qcow2")
    codes = [json.loads(line)["error"]["code"] for line in kimchi(*words, status=7).err.splitlines() if line[0] == "{"]
    assert codes == ["not_found", "in_use"] and os.listdir(pool) == ["base.qcow2"]
    kimchi("volume", "wipe", "p", "--yes", "gone", "away", status=3)
    kimchi("volume", "delete", "p", "--yes", "--missing-ok", "gone", "base.qcow2", status=0)


# -- into a pipe


def test_a_download_into_what_is_no_pipe_is_said(pool, kimchi, file, monkeypatch):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    for stdout in (None, io.StringIO()):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stdout)
            assert "standard output" in kimchi("volume", "download", "p", "v", "-", status=1).err
    with monkeypatch.context() as patched, open("/dev/full", "w") as full:
        patched.setattr(sys, "stdout", full)
        assert "No space left" in kimchi("volume", "download", "p", "v", "-", status=1).err
        patched.undo()
    kept = io.TextIOWrapper(io.BytesIO())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", kept)
        kimchi("volume", "download", "p", "v", "-", status=0)
    assert kept.buffer.getvalue() == file.read_bytes()


def test_who_reads_no_more_ends_a_download_quietly(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    words = [sys.executable, "-m", "kimchictl", "volume", "download", "p", "v", "-"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 141)
    process.stderr.close()


def test_a_download_forgets_what_came_of_a_volume_that_changed(pool, kimchi, file, tmp_path):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    old, others = tmp_path / ".back.01234567.part", (tmp_path / ".back.x.part", tmp_path / ".back2.01234567.part")
    for part in (old, *others):
        part.write_bytes(b"x")
        part.chmod(0o600)
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=0)
    assert not old.exists() and all(other.exists() for other in others)


def test_a_volume_that_shrinks_while_it_is_read_is_not_taken_for_whole(pool, kimchi, file, tmp_path, monkeypatch):
    from kimchictl.virt.storage import volumestream

    whole = volumestream.download

    def shrinks(*argv):
        yield next(whole(*argv))

    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    monkeypatch.setattr(volumestream, "download", shrinks)
    assert "changed meanwhile" in kimchi("volume", "download", "p", "v", tmp_path / "back", status=1).err
    assert not (tmp_path / "back").exists()
