"""Volumes on a real libvirtd: made, sent and fetched, resized, copied, wiped, refused where something needs them."""

import json
import os
import subprocess

import libvirt
import pytest

from lab.images import make_image

MIB = 1 << 20


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


def test_many_are_deleted_after_one_look_at_who_needs_them_and_what_goes_first_needs_nothing(pool, kimchi, monkeypatch):
    looks, refresh = [], libvirt.virStoragePool.refresh
    monkeypatch.setattr(libvirt.virStoragePool, "refresh", lambda *argv: looks.append(argv) or refresh(*argv))
    kimchi("volume", "create", "p", "base", "--size", "1M", status=0)
    kimchi("volume", "create", "p", "top", "--backing", "base", status=0)
    names = [str(number) for number in range(5)]
    for name in names:
        (pool / name).write_bytes(b"x")
    kimchi("pool", "list", status=0)
    looks.clear()
    kimchi("volume", "delete", "p", *names, "top", "base", "--yes", status=0)
    assert os.listdir(pool) == [] and len(looks) < 4


def test_what_a_volume_backs_is_known_whatever_the_pool_s_directory_is_called(host, kimchi, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    kimchi("pool", "create", "p", "--path", tmp_path / "link", "--start", status=0)
    kimchi("volume", "create", "p", "base", "--size", "1M", "--format", "raw", status=0)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b"]
    for name, base in (("relative", "base"), ("absolute", tmp_path / "real/base")):
        subprocess.run([*make, base, tmp_path / "link" / name], check=True)
        shown_base = shown(kimchi, "base")
        assert (shown_base["used_by"], shown_base["path"]) == ([f"pool:p/{name}"], str(tmp_path / "link/base"))
        assert kimchi("volume", "orphans", "-o", "name", status=0).out.split() == [name]
        for verb, *more in (("wipe",), ("delete",), ("resize", "1K", "--shrink")):
            assert "backs" in kimchi("volume", verb, "p", "base", *more, "--yes", status=4).err
        assert "backs" in kimchi("volume", "upload", "p", tmp_path / "link/base", "--yes", status=4).err
        (tmp_path / "real" / name).unlink()
    kimchi("volume", "delete", "p", "base", "--yes", status=0)


def test_what_cannot_back_a_volume_is_refused(pool, kimchi):
    (pool / "sub").mkdir()
    kimchi("volume", "create", "p", "base.qcow2", "--size", "1G", status=0)
    kimchi("volume", "create", "p", "x", "--backing", "gone", status=3)
    kimchi("volume", "create", "p", "x", "--backing", "sub", status=4)
    kimchi("volume", "create", "p", "x", "--backing", "base.qcow2", "--size", "512M", status=4)
    kimchi("volume", "create", "p", "x", "--backing", "base.qcow2", "--format", "raw", status=4)
    kimchi("volume", "create", "p", "x", status=2)
    assert [volume["name"] for volume in kimchi("volume", "list", "p", "-o", "json").json] == ["base.qcow2", "sub"]


def test_a_file_that_was_removed_behind_libvirt_s_back_takes_no_name(pool, kimchi, tmp_path):
    (tmp_path / "file").write_bytes(b"new")
    for words in (("create", "p", "v", "--size", "1M"), ("upload", "p", tmp_path / "file", "--name", "v")):
        kimchi("volume", *words, status=0)
        os.unlink(pool / "v")
        kimchi("volume", *words, status=0)
        os.unlink(pool / "v")


# -- resized, copied, wiped


def test_a_volume_grows_and_shrinks_only_when_told(pool, kimchi):
    kimchi("volume", "create", "p", "v.qcow2", "--size", "1G", status=0)
    kimchi("volume", "resize", "p", "v.qcow2", "+1G", status=0)
    assert shown(kimchi, "v.qcow2")["capacity"] == 2 << 30
    assert "--shrink" in kimchi("volume", "resize", "p", "v.qcow2", "1G", "--yes", status=4).err
    kimchi("volume", "resize", "p", "v.qcow2", "1G", "--shrink", status=2)
    kimchi("volume", "resize", "p", "v.qcow2", "1G", "--shrink", "--yes", status=0)
    assert shown(kimchi, "v.qcow2")["capacity"] == 1 << 30


def test_what_would_block_the_pool_for_minutes_is_not_cut(pool, kimchi):
    kimchi("volume", "create", "p", "v.qcow2", "--size", "40T", status=0)
    said = kimchi("volume", "resize", "p", "v.qcow2", "1G", "--shrink", "--yes", status=4).err
    assert f"qemu-img resize -f qcow2 --shrink {pool}/v.qcow2 {1 << 30}" in said
    assert shown(kimchi, "v.qcow2")["capacity"] == 40 << 40


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


def test_a_directory_has_nothing_to_wipe_or_resize_but_can_be_deleted(pool, kimchi):
    (pool / "sub").mkdir()
    for words in (("wipe", "p", "sub", "--yes"), ("resize", "p", "sub", "1G"), ("clone", "p", "sub")):
        assert "is a dir" in kimchi("volume", *words, status=4).err
    kimchi("volume", "delete", "p", "sub", "--yes", status=0)
    assert os.listdir(pool) == []


# -- in use


def test_the_disk_of_a_vm_is_refused_to_all_that_would_harm_it(pool, kimchi, file, host):
    kimchi("volume", "create", "p", "d.qcow2", "--size", "64M", status=0)
    guest(host, pool / "d.qcow2", start=True)
    assert shown(kimchi, "d.qcow2")["used_by"] == ["web"]
    for verb, *more in (("delete",), ("wipe",), ("resize", "1G"), ("clone",), ("upload",)):
        words = (file, "--name", "d.qcow2") if verb == "upload" else ("d.qcow2", *more)
        consent = ("--yes",) if verb != "clone" else ()
        assert "web" in kimchi("volume", verb, "p", *words, *consent, status=4).err
    assert "web" in kimchi("volume", "create", "p", "top.qcow2", "--backing", "d.qcow2", status=4).err
    assert "web" in kimchi("volume", "download", "p", "d.qcow2", file.parent / "copy", status=0).err


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
