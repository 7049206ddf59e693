"""Storage pools and volumes on a real libvirtd: refreshed when they are listed, and never harmed by it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import libvirt
import pytest

from lab.fuse import DeadDirectory, needs_fuse
from lab.images import make_image


def listed(kimchi, *argv):
    return kimchi(*argv, "-o", "json", status=0).json


def test_a_new_pool_is_inactive_with_its_directory_made(host, kimchi, tmp_path):
    kimchi("pool", "create", "p", "--type", "dir", "--path", tmp_path / "a/p", status=0)
    (made,) = listed(kimchi, "pool", "list")
    assert (made["state"], made["autostart"], made["persistent"], made["volumes"]) == ("inactive", True, True, 0)
    assert (tmp_path / "a/p").is_dir()
    kimchi("pool", "create", "p", "--path", tmp_path, status=4)


def test_a_pool_that_cannot_be_made_is_not_left_behind(host, kimchi, tmp_path):
    (tmp_path / "file").write_text("")
    assert kimchi("pool", "create", "p", "--path", tmp_path / "file/p", "--start").status in (1, 4)
    assert listed(kimchi, "pool", "list") == []


def test_what_was_copied_into_a_pool_is_listed_at_once(pool, kimchi):
    make_image(pool / "disk.img", "Debian 12.5.0 amd64 n")
    (pool / "notes.iso").write_text("no image")
    assert listed(kimchi, "pool", "list")[0]["volumes"] == 2
    volumes = {volume["name"]: volume for volume in listed(kimchi, "volume", "list", "p")}
    assert (volumes["disk.img"]["format"], volumes["disk.img"]["os_distro"]) == ("iso", "debian")
    assert (volumes["disk.img"]["os_version"], volumes["disk.img"]["bootable"]) == ("12.5.0", True)
    assert (volumes["notes.iso"]["format"], volumes["notes.iso"]["os_distro"]) == ("raw", None)


def test_a_scan_finds_images_by_content_and_names_those_that_are_damaged(pool, kimchi):
    make_image(pool / "good.iso", "Fedora 17 x86_64")
    make_image(pool / "disk.img", "FOO 1")
    (pool / "bad.iso").write_bytes(make_image(pool / "t.iso", "Debian 12.5.0 amd64 n").read_bytes()[:40000])
    (pool / "t.iso").unlink()
    (pool / "notes.iso").write_text("no image")
    scan = kimchi("iso", "scan", "-o", "json", status=0)
    hits = {image["volume"]: image for image in scan.json}
    assert {"good.iso", "disk.img"} <= set(hits) and "notes.iso" not in hits
    assert (hits["good.iso"]["pool"], hits["good.iso"]["source"]) == ("p", "pool")
    assert (hits["good.iso"]["location"], hits["good.iso"]["os_version"]) == (str(pool / "good.iso"), "17")
    assert "bad.iso" in scan.err


def test_a_dead_pool_is_marked_and_stays_active(pool, kimchi, host):
    (pool / "v").write_bytes(bytes(4096))
    listed(kimchi, "pool", "list")
    shutil.move(pool, f"{pool}.away")
    (dead,) = listed(kimchi, "pool", "list")
    assert (dead["active"], dead["stale"], dead["volumes"]) == (True, True, 1)
    assert "No such file" in dead["error"]
    assert [volume["name"] for volume in listed(kimchi, "volume", "list", "p")] == ["v"]
    shutil.move(f"{pool}.away", pool)
    (back,) = listed(kimchi, "pool", "list")
    assert (back["active"], back["stale"], back["error"]) == (True, False, None)


def test_a_dead_pool_costs_the_others_nothing(pool, kimchi, tmp_path):
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    make_image(tmp_path / "q/good.iso", "Fedora 17 x86_64")
    shutil.rmtree(pool)
    scan = kimchi("iso", "scan", "-o", "json", status=0)
    assert [image["volume"] for image in scan.json] == ["good.iso"]
    assert "'p'" in scan.err
    assert [each["stale"] for each in listed(kimchi, "pool", "list")] == [True, False]


@pytest.fixture
def hidden(host):
    """A directory of which there is another one on the host, so that this process can look and libvirtd cannot."""
    path = Path(tempfile.mkdtemp(prefix="kimchi-", dir="/run"))
    host.run(["mkdir", path], check=True)
    yield path
    path.rmdir()


def test_a_refresh_that_stopped_a_pool_is_not_kept_quiet(hidden, kimchi, host):
    kimchi("pool", "create", "p", "--path", hidden, "--start", status=0)
    host.run(["touch", hidden / "v"], check=True)
    assert listed(kimchi, "pool", "list")[0]["volumes"] == 1
    host.run(["rm", "-r", hidden], check=True)
    (stopped,) = listed(kimchi, "pool", "list")
    assert (stopped["state"], stopped["active"], stopped["stale"], stopped["volumes"]) == ("inactive", False, True, 1)
    assert "libvirt stopped it: kimchictl pool start p" in stopped["error"]


def test_a_transient_pool_that_a_refresh_took_away_is_said_to_be_gone(hidden, kimchi, host):
    connection = libvirt.open(host.uri)
    connection.storagePoolCreateXML(f"<pool type='dir'><name>t</name><target><path>{hidden}</path></target></pool>")
    connection.close()
    host.run(["rmdir", hidden], check=True)
    assert "as it was transient, it is gone" in listed(kimchi, "pool", "list")[0]["error"]
    assert listed(kimchi, "pool", "list") == []


@needs_fuse
def test_a_directory_that_hangs_is_asked_once_whichever_process_lists_it(pool, kimchi, monkeypatch):
    (pool / "v").write_bytes(bytes(4096))
    listed(kimchi, "pool", "list")
    monkeypatch.setenv("KIMCHICTL_POOL_TIMEOUT", "1s")

    def in_a_process_of_its_own():
        words = [sys.executable, "-m", "kimchictl", "pool", "list", "-o", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        (found,) = json.loads(done.stdout)
        return found

    with DeadDirectory(pool) as dead:
        first, second = in_a_process_of_its_own(), in_a_process_of_its_own()
        for found in (first, second):
            assert (found["state"], found["stale"], found["volumes"]) == ("active", True, 1)
        pid = first["error"].partition("process ")[2].split()[0]
        assert f"process {pid} has been at it since" in second["error"] and dead.opened == 1
        kimchi("volume", "list", "p", status=0)
        assert kimchi("pool", "delete", "p", "--with-contents", "--yes", status=4)
        dead.revive()
        assert in_a_process_of_its_own()["stale"] is False


@needs_fuse
def test_a_refresh_that_hangs_in_libvirt_hinders_no_list_and_is_named(pool, kimchi, monkeypatch, host):
    kimchi("pool", "create", "q", "--path", pool.parent / "q", "--start", status=0)
    monkeypatch.setenv("KIMCHICTL_POOL_TIMEOUT", "1s")
    with DeadDirectory(pool, host.run) as dead:  # there alone: this process finds nothing wrong with it
        dead_one, good = listed(kimchi, "pool", "list")
        assert (dead_one["active"], dead_one["stale"], good["active"], good["state"]) == (True, True, True, "active")
        assert dead_one["state"] == "unreachable"
        assert "libvirt was asked to refresh it" in dead_one["error"]
        assert "a refresh of pool 'p', begun at 20" in kimchi("pool", "list", status=8).err  # libvirt lists none, then
        kimchi("pool", "show", "q", status=0)
        assert dead.opened == 1
        dead.revive()


def test_on_a_read_only_connection_nothing_is_refreshed(pool, host):
    from kimchictl.virt.connection import open_host
    from kimchictl.virt.storage.pools import list_pools

    (pool / "new").write_text("x")
    with open_host(host.uri, readonly=True) as opened:
        (seen,) = list_pools(opened)
    assert (seen.stale, seen.volumes, seen.error) == (True, 0, "the connection is read-only")


@pytest.fixture
def busy(monkeypatch):
    """libvirt refreshes no pool, as while it copies a volume in each."""

    def refresh(_pool, _flags):
        error = libvirt.libvirtError("")
        error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, 0, "pool 'p' has asynchronous jobs running.", *[None] * 6)
        raise error

    return lambda: monkeypatch.setattr(libvirt.virStoragePool, "refresh", refresh)


def test_in_a_pool_that_is_busy_it_is_known_what_each_volume_is_and_needs(pool, kimchi, busy):
    kimchi("volume", "create", "p", "base", "--size", "1G", status=0)
    kimchi("volume", "create", "p", "top", "--backing", "base", status=0)
    busy()
    assert "busy: a volume is being written" in kimchi("pool", "list", status=0).out
    base, _ = listed(kimchi, "volume", "list", "p")
    assert (base["format"], base["capacity"], base["used_by"]) == ("qcow2", 1 << 30, ["pool:p/top"])
    assert kimchi("volume", "orphans", "-o", "name", status=0).out.split() == ["top"]
    assert "backs pool:p/top" in kimchi("volume", "delete", "p", "base", "--yes", status=4).err


def test_while_a_pool_is_dead_nothing_is_deleted_that_it_may_need(pool, kimchi, tmp_path):
    kimchi("volume", "create", "p", "v", "--size", "1M", status=0)
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    kimchi("volume", "create", "q", "w", "--size", "1M", status=0)
    shutil.rmtree(tmp_path / "q")
    listed = kimchi("volume", "orphans", "-o", "name", status=0)
    assert (listed.out, "pool 'q': what its volumes are" in listed.err) == ("v\n", True)
    for verb, *more in (("delete",), ("wipe",), ("resize", "1K", "--shrink"), ("upload",)):
        words = ("/etc/hostname", "--name", "v") if verb == "upload" else ("v", *more)
        assert "kimchictl pool stop q" in kimchi("volume", verb, "p", *words, "--yes", status=4).err
    assert "may be needed" in kimchi("pool", "delete", "p", "--with-contents", "--yes", status=4).err
    kimchi("pool", "stop", "q", status=0)
    kimchi("volume", "delete", "p", "v", "--yes", status=0)


def test_unusual_files_cost_no_more_than_themselves(pool, kimchi):
    for name in (b"good", b"line\nbreak", b"a b", b"caf\xe9"):
        (pool / os.fsdecode(name)).write_bytes(b"x")
    os.mkfifo(pool / "fifo")
    (pool / "sub").mkdir()
    found = kimchi("volume", "list", "p", "-o", "json", status=0)
    assert {"good", "line\nbreak", "a b", "sub"} <= {volume["name"] for volume in found.json}
    assert "not UTF-8" in found.err
    assert kimchi("volume", "list", "p", status=0).out.count("\n") == 1 + len(found.json)


def test_a_volume_is_made_and_deleted(pool, kimchi):
    kimchi("volume", "create", "p", "v.qcow2", "--size", "10G", status=0)
    shown = listed(kimchi, "volume", "show", "p", "v.qcow2")
    assert (shown["capacity"], shown["format"], shown["used_by"]) == (10 << 30, "qcow2", [])
    kimchi("volume", "create", "p", "v.img", "--size", "1G", "--format", "raw", status=0)
    assert os.stat(pool / "v.img").st_blocks == 0
    kimchi("volume", "delete", "p", "v.qcow2", status=2)
    kimchi("volume", "delete", "p", "v.qcow2", "v.img", "--yes", status=0)
    assert os.listdir(pool) == []


def test_a_scan_leaves_no_pool_behind(host, kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")
    kimchi("iso", "scan", "--deep", tmp_path, status=0)
    kimchi("template", "create", "--cdrom", tmp_path / "a.iso", status=0)
    assert listed(kimchi, "pool", "list") == []
