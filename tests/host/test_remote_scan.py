"""Pools of a host far away: reached over ssh and over TLS, with nothing but libvirt installed there."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from kimchictl.virt.storage import volumesource
from lab.certificates import AUTHORITY, GOOD
from lab.host import PrivateHost
from lab.images import make_image

DEBIAN = "Debian 12.5.0 amd64 n"
THERE = "/var/lib/libvirt/images"  # the private host's own: this machine has other files at the same paths


@pytest.fixture
def far(host, kimchi, ssh):
    """Arguments that name the host over ssh; an active pool `p` with an image is on it."""
    far_away = ("-c", ssh)
    os.makedirs(host.root / "lib/images/p", exist_ok=True)
    make_image(host.root / "lib/images/p/deb.iso", DEBIAN)
    kimchi("pool", "create", "p", "--path", f"{THERE}/p", "--start", *far_away, status=0)
    yield far_away
    for name in os.listdir(host.root / "lib/images/p"):
        (host.root / "lib/images/p" / name).unlink()


def listed(kimchi, *argv):
    return kimchi(*argv, "-o", "json", status=0).json


def without(image, *keys):
    return {key: value for key, value in image.items() if key not in keys}


def test_the_same_record_comes_over_ssh_as_from_the_file(far, kimchi, host):
    (found,) = listed(kimchi, "iso", "scan", *far)
    (here,) = listed(kimchi, "iso", "probe", host.root / "lib/images/p/deb.iso")
    assert (found["location"], found["pool"], found["volume"]) == (f"{THERE}/p/deb.iso", "p", "deb.iso")
    assert (found["source"], found["host"], found["capacity"]) == ("pool", far[1], here["size"])
    apart = ("location", "source", "host", "pool", "volume", "capacity", "mtime")
    assert without(found, *apart) == without(here, *apart)
    assert found["mtime"] == here["mtime"] and found["os_version"] == "12.5.0"


def test_a_second_scan_reads_nothing_again(far, kimchi, monkeypatch):
    monkeypatch.setattr("kimchictl.media.scan.entries.RACY", -1 << 62)  # or the new is read again
    listed(kimchi, "iso", "scan", *far)
    assert "1 images, 0 files opened" in kimchi("iso", "scan", "-v", *far, status=0).err


def test_what_changes_there_is_told_and_this_machine_s_list_is_another(far, kimchi, host):
    listed(kimchi, "iso", "scan", "--changed", *far)
    make_image(host.root / "lib/images/p/f.iso", "Fedora 17 x86_64")
    (host.root / "lib/images/p/deb.iso").unlink()
    changes = listed(kimchi, "iso", "scan", "--changed", *far)
    assert [(one["change"], one["volume"]) for one in changes] == [("removed", "deb.iso"), ("added", "f.iso")]
    assert [image["volume"] for image in listed(kimchi, "iso", "list", *far)] == ["f.iso"]
    assert listed(kimchi, "iso", "list") == []


def test_a_volume_is_probed_by_pool_and_by_its_path_there(far, kimchi):
    (by_pool,) = listed(kimchi, "iso", "probe", "pool:p/deb.iso", *far)
    (by_path,) = listed(kimchi, "iso", "probe", f"{THERE}/p/deb.iso", *far)
    assert by_pool == by_path
    assert (by_pool["host"], by_pool["volume"], by_pool["os_distro"]) == (far[1], "deb.iso", "debian")


def test_a_path_of_this_machine_is_not_opened_for_a_host_far_away(far, kimchi, tmp_path):
    here = make_image(tmp_path / "here.iso", DEBIAN)
    assert "no active storage pool" in kimchi("iso", "probe", here, *far, status=3).err


def test_a_template_made_over_ssh_names_the_volume_there(far, kimchi):
    kimchi("template", "create", "deb", "--cdrom", f"{THERE}/p/deb.iso", *far, status=0)
    assert listed(kimchi, "template", "show", "deb", *far)["cdrom"] == "pool:p/deb.iso"


def test_damaged_and_unusual_volumes_cost_no_more_than_themselves(far, kimchi, host):
    pool = host.root / "lib/images/p"
    (pool / "bad.iso").write_bytes((pool / "deb.iso").read_bytes()[:40000])
    (pool / "notes.iso").write_text("no image")
    (pool / "disk.img").write_bytes((pool / "deb.iso").read_bytes())
    (pool / os.fsdecode(b"caf\xe9.iso")).write_bytes((pool / "deb.iso").read_bytes())
    scan = kimchi("iso", "scan", "-o", "json", *far, status=0)
    assert {image["volume"]: image["error"] for image in scan.json} == {
        "bad.iso": "incomplete",
        "deb.iso": None,
        "disk.img": None,
    }
    assert "notes.iso" in scan.err and "not UTF-8" in scan.err


@pytest.fixture
def breaking(far, host, monkeypatch):
    """Of four images the connection breaks at the second, as often as is said with `breaking(times)`."""
    for number in range(3):
        make_image(host.root / f"lib/images/p/e{number}.iso", DEBIAN)
    look, left = volumesource._look, []

    def looking(host_there, handle, name, pool, progress):
        if name == "e0.iso" and left:
            left.pop()
            for pid in children("ssh"):
                os.kill(pid, signal.SIGKILL)
        return look(host_there, handle, name, pool, progress)

    monkeypatch.setattr(volumesource, "_look", looking)
    return lambda times: left.extend(range(times))


def children(name):
    """The processes called `name` that this one started."""
    pids = [int(pid) for each in Path("/proc/self/task").glob("*/children") for pid in each.read_text().split()]
    return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name]


def test_a_connection_that_breaks_in_the_middle_is_made_anew(far, kimchi, breaking):
    breaking(1)
    done = kimchi("iso", "scan", "-o", "json", *far, status=0)
    assert len(done.json) == 4 and "asking once more" in done.err


def test_what_cannot_be_asked_for_as_the_connection_broke_stays_known(far, kimchi, breaking):
    listed(kimchi, "iso", "scan", "--changed", *far)
    breaking(9)
    done = kimchi("iso", "scan", "--changed", "--full", *far, status=5)
    assert "the connection to libvirt broke" in done.err and "'e1.iso'" not in done.err  # nor one after the other
    assert len(listed(kimchi, "iso", "list", *far)) == 4


def test_one_volume_whose_stream_fails_costs_no_more_than_itself(far, kimchi, host, monkeypatch):
    pool = host.root / "lib/images/p"
    make_image(pool / "a.iso", DEBIAN)
    make_image(pool / "z.iso", DEBIAN)
    download = volumesource.VolumeSource._download

    def failing(source, offset, size):
        if source.volume.name == "a.iso":
            (pool / "a.iso").unlink(missing_ok=True)  # gone between being listed and being read
        return download(source, offset, size)

    monkeypatch.setattr(volumesource.VolumeSource, "_download", failing)
    scan = kimchi("iso", "scan", "-o", "json", *far, status=0)
    assert {image["volume"] for image in scan.json} == {"deb.iso", "z.iso"} and "a.iso" in scan.err


def test_a_configured_host_is_named_by_its_name(far, kimchi, monkeypatch, tmp_path):
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", str(tmp_path))
    (tmp_path / "kimchictl.toml").write_text(f'[hosts.far]\nuri = "{far[1]}"\n')
    assert [image["volume"] for image in listed(kimchi, "iso", "scan", "-c", "far")] == ["deb.iso"]


def test_a_pool_that_is_no_directory_of_this_machine_is_read_through_libvirt_too(host, kimchi, tmp_path, monkeypatch):
    kimchi("pool", "create", "p", "--path", tmp_path / "p", "--start", status=0)
    make_image(tmp_path / "p/deb.iso", DEBIAN)
    direct = listed(kimchi, "iso", "scan")
    monkeypatch.setattr("kimchictl.virt.storage.poolcontents.FILE_POOLS", ())
    scan = kimchi("iso", "scan", "--full", "-v", "-o", "json", status=0)
    assert scan.json == direct and direct[0]["host"] is None
    assert "2 reads, 10240 bytes" in scan.err


def test_volumes_go_there_and_back(far, kimchi, tmp_path, host):
    (tmp_path / "d.img").write_bytes(os.urandom(700_000) + bytes(1 << 20))
    kimchi("volume", "upload", "p", tmp_path / "d.img", *far, status=0)
    assert (host.root / "lib/images/p/d.img").read_bytes() == (tmp_path / "d.img").read_bytes()
    kimchi("volume", "download", "p", "d.img", tmp_path / "back", *far, status=0)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "d.img").read_bytes()
    kimchi("volume", "resize", "p", "d.img", "+1G", *far, status=0)
    kimchi("volume", "clone", "p", "d.img", *far, status=0)
    kimchi("volume", "delete", "p", "d.img", "d-clone1.img", "--yes", *far, status=0)
    assert os.listdir(host.root / "lib/images/p") == ["deb.iso"]


def test_over_tls_the_same_is_found(tmp_path):
    pki = tmp_path / "pki"
    pki.mkdir()
    for name, content in (("cacert", AUTHORITY), ("server", GOOD)):
        (pki / f"{name}.pem").write_text(content)
    settings = f'listen_tls = 1\ntls_no_verify_certificate = 1\nca_file = "{pki}/cacert.pem"\n'
    settings += f'cert_file = "{pki}/server.pem"\nkey_file = "{pki}/server.pem"\n'
    with PrivateHost(settings=settings) as secure:
        make_image(secure.root / "lib/images/deb.iso", DEBIAN)
        command = [sys.executable, "-m", "kimchictl", "-c", f"qemu+tls://localhost/system?pkipath={pki}"]

        def run(*argv):
            return secure.run([*command, *argv], check=True, capture_output=True, text=True).stdout

        run("pool", "create", "p", "--path", THERE, "--start")
        (found,) = json.loads(run("iso", "scan", "-o", "json"))
    assert (found["volume"], found["os_distro"], found["os_version"]) == ("deb.iso", "debian", "12.5.0")
