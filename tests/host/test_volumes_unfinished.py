"""Volumes that are not whole: marked while they grow, and taken back where their process was killed."""

import hashlib
import json
import os
import subprocess
import sys
import time

import libvirt
import pytest

from kimchictl.virt.storage import volumechange
from lab.images import make_image
from lab.web import Served, WebServer

MIB = 1 << 20


def notes():
    """What is noted, each as (path, record)."""
    directory = os.path.join(os.environ["KIMCHI_STATE_DIR"], "creating")
    paths = [os.path.join(directory, name) for name in os.listdir(directory)] if os.path.isdir(directory) else []
    return [(path, json.loads(open(path).read())) for path in paths if path.endswith(".json")]


def until(true):
    """Waits for it; the test's own deadline ends a wait in vain."""
    while not true():
        time.sleep(0.02)


def growing(*words):
    """A process that uploads from a pipe which gives some and never ends."""
    words = [sys.executable, "-m", "kimchictl", "volume", "upload", "p", "-", *words]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(b"x" * (2 * MIB))
    process.stdin.flush()
    until(lambda: any(record["volumes"][0]["made"] for _, record in notes()))
    return process


def killed(process):
    process.kill()
    process.wait()
    process.stdin.close()


def marks(kimchi):
    listed = kimchi("volume", "list", "p", "-o", "json", status=0).json
    return {volume["name"]: volume["unfinished"] for volume in listed}


def test_a_volume_that_grows_is_marked_and_nobody_s_to_delete(pool, kimchi):
    process = growing("--name", "v")
    assert marks(kimchi) == {"v": f"upload by process {process.pid}"}
    assert kimchi("volume", "orphans", "-o", "name", status=0).out == ""
    for verb in ("delete", "wipe"):
        assert "is not whole" in kimchi("volume", verb, "p", "v", "--yes", status=4).err
    kimchi("volume", "create", "p", "other", "--size", "1M", status=0)
    assert (pool / "v").exists()
    process.communicate(b"y")
    assert process.returncode == 0 and notes() == []
    assert (pool / "v").read_bytes() == b"x" * (2 * MIB) + b"y"


def test_nothing_is_made_upon_a_volume_that_is_not_whole_nor_is_it_attached(pool, kimchi, tmp_path, host):
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    kimchi("volume", "create", "q", "disk", "--size", "1M", status=0)
    document = (
        "<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><source file='{tmp_path}/q/disk'/><target dev='vda'/></disk></devices></domain>"
    )
    connection = libvirt.open(host.uri)
    connection.defineXML(document)
    connection.close()
    process = growing("--name", "v")
    upon = ("volume", "create", "q", "top", "--backing", "pool:p/v")
    for words in (upon, ("vm", "disk", "attach", "web", "pool:p/v")):
        assert f"is not whole: upload by process {process.pid}" in kimchi(*words, status=4).err
    killed(process)
    for words in (upon, ("vm", "disk", "attach", "web", "pool:p/v")):
        assert "left from an upload that broke off" in kimchi(*words, status=4).err


def test_what_a_killed_upload_left_is_marked_and_goes_with_the_next_verb(pool, kimchi):
    killed(growing("--name", "v"))
    assert marks(kimchi) == {"v": "left from an upload that broke off"}
    assert kimchi("volume", "orphans", "-o", "name", status=0).out == "v\n"
    assert "pool:p/v deleted" in kimchi("volume", "create", "p", "other", "--size", "1M", status=0).err
    assert os.listdir(pool) == ["other"] and notes() == []


def test_a_killed_upload_leaves_what_it_was_to_replace(pool, kimchi):
    (pool / "v").write_bytes(b"old")
    killed(growing("--name", "v", "--yes"))
    assert len(os.listdir(pool)) == 2
    kimchi("volume", "delete", "p", "nosuch", "--missing-ok", "--yes", status=0)
    assert os.listdir(pool) == ["v"] and (pool / "v").read_bytes() == b"old"


def test_what_was_put_to_use_meanwhile_stays(pool, kimchi):
    killed(growing("--name", "v"))
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", pool / "v", pool / "top.qcow2"]
    subprocess.run(make, check=True)
    assert "deleted" not in kimchi("volume", "create", "p", "other", "--size", "1M", status=0).err
    assert (pool / "v").exists() and notes() == []


def test_what_is_not_certain_to_be_ours_stays_and_is_said(pool, kimchi):
    killed(growing("--name", "v", "--size", "4M"))
    (pool / "v").write_bytes(b"somebody's" * MIB)
    assert "not certain" in kimchi("volume", "create", "p", "other", "--size", "1M", status=0).err
    assert (pool / "v").read_bytes() == b"somebody's" * MIB and notes() == []


def test_what_a_killed_upload_of_known_length_left_is_known_by_being_no_longer(pool, kimchi):
    killed(growing("--name", "v", "--size", "4M"))
    kimchi("volume", "create", "p", "other", "--size", "1M", status=0)
    assert os.listdir(pool) == ["other"] and notes() == []


def test_a_note_that_is_none_hinders_nobody(pool, kimchi):
    directory = os.path.join(os.environ["KIMCHI_STATE_DIR"], "creating")
    os.makedirs(directory)
    good = {"host": "qemu:///system", "process": {}, "verb": "upload"}
    for number, text in enumerate((b"", b"\xff", b"[1]", b'{"host": 1}', json.dumps(good).encode())):
        with open(os.path.join(directory, f"{number}.json"), "wb") as file:
            file.write(text)
    for entry in ([], [1], [{}], [{"pool": 1, "volume": [], "capacity": "x", "seed": 0, "at": None, "made": 1}]):
        with open(os.path.join(directory, f"x{len(entry)}.json"), "w") as file:
            json.dump({**good, "volumes": entry}, file)
    kimchi("volume", "create", "p", "v", "--size", "1M", status=0)
    assert marks(kimchi) == {"v": None}


# -- copies, which are libvirt's own work


@pytest.fixture
def large(pool, monkeypatch):
    """A volume whose copy takes long enough to be looked at."""
    monkeypatch.setattr(volumechange, "_LOOK_SECONDS", (0.005, 0.005))
    with open(pool / "large", "wb") as file:
        for _ in range(48):
            file.write(os.urandom(MIB))
    return pool / "large"


def test_a_copy_tells_how_far_it_is(host, large, kimchi, monkeypatch):
    from kimchictl.actions.storage.clone_volume import clone_volume
    from kimchictl.progress import Progress
    from kimchictl.virt.connection import open_host

    class Seen(Progress):
        done, total = [], None

        def begin(self, what, total=None, unit=""):
            self.total = total

        def advance(self, done, where=""):
            self.done.append(done)

    seen = Seen()
    with open_host(host.uri) as opened:
        clone_volume(opened, "p", "large", new="copy", progress=seen)
    assert seen.total >= 48 * MIB and seen.done == sorted(seen.done)
    assert len(seen.done) > 0 and seen.done[-1] <= seen.total


def test_an_interrupted_copy_leaves_nothing(large, kimchi, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    monkeypatch.setattr("kimchictl.progress.Progress.advance", interrupted)
    monkeypatch.setattr("kimchictl.actions.host.recording._Record.advance", interrupted)
    kimchi("volume", "clone", "p", "large", "--to", "q", status=130)
    assert os.listdir(tmp_path / "q") == [] and notes() == []


def killed_at(point, *words, patch=""):
    """A process of kimchictl that dies when it has called `point`, "module:name"."""
    module, _, name = point.rpartition(":")
    *outer, name = name.split(".")
    code = f"""
import os, signal, sys, {module}
from kimchictl.cli import main
from kimchictl.virt.storage import volumechange
volumechange._LOOK_SECONDS = 0.005, 0.005
{patch}
place = {".".join([module, *outer])}
whole = place.{name}
def dies(*argv, **options):
    whole(*argv, **options)
    os.kill(os.getpid(), signal.SIGKILL)
place.{name} = dies
main(sys.argv[1:])
"""
    process = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True)
    assert process.returncode == -9, process.stderr


def test_what_a_killed_copy_left_goes_when_libvirt_has_ended_it(large, pool, kimchi):
    killed_at("kimchictl.actions.storage.unfinished:Note.made", "volume", "clone", "p", "large")
    assert marks(kimchi)["large-clone1"] == "left from a copy that broke off"
    until(
        lambda: not kimchi("volume", "delete", "p", "nosuch", "--missing-ok", "--yes", status=0).err.count("cannot be")
    )
    assert os.listdir(pool) == ["large"] and notes() == []


def test_a_copy_that_was_never_seen_may_be_anybody_s(large, pool, kimchi):
    killed_at("kimchictl.actions.storage.unfinished:Note.write", "volume", "clone", "p", "large")
    (pool / "large-clone1").write_bytes(os.urandom(48 * MIB))
    assert "not certain" in kimchi("volume", "create", "p", "x", "--size", "1M", status=0).err
    assert (pool / "large-clone1").exists()


# -- in the place of another, where the host has to copy

ELSEWHERE = "from kimchictl.actions.storage import volume_upload as u; u.directory_here = lambda host, pool: None"


@pytest.mark.parametrize(
    "point", ["volume_upload:volumes.delete_volume", "unfinished:Note.whole", "volume_upload:copy_here"]
)
def test_what_was_to_replace_a_volume_is_never_lost_with_it(pool, kimchi, tmp_path, point):
    (pool / "v").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new" * 1000)
    words = ("volume", "upload", "p", tmp_path / "new", "--name", "v", "--yes")
    killed_at(f"kimchictl.actions.storage.{point}", *words, patch=ELSEWHERE)
    (part,) = (name for name in os.listdir(pool) if name != "v")
    said = kimchi("volume", "create", "p", "x", "--size", "1M", status=0).err
    if "delete" in point:
        assert f"kimchictl volume clone p {part} v" in said
        kimchi("volume", "clone", "p", part, "v", status=0)
        kimchi("volume", "create", "p", "y", "--size", "1M", status=0)
        os.unlink(pool / "y")
    assert (pool / "v").read_bytes() == (b"old" if "whole" in point else b"new" * 1000)
    assert sorted(os.listdir(pool)) == ["v", "x"] and notes() == []


def test_who_is_at_a_volume_again_is_left_alone(pool, kimchi):
    killed(growing("--name", "v"))
    ((path, record),) = notes()
    os.unlink(pool / "v")
    os.unlink(path)
    process = growing("--name", "v")
    with open(path, "w") as file:
        json.dump(record, file)
    kimchi("volume", "create", "p", "x", "--size", "1M", status=0)
    process.communicate(b"y")
    assert process.returncode == 0 and (pool / "v").stat().st_size == 2 * MIB + 1


# -- fetches


@pytest.fixture
def server(tmp_path):
    with WebServer() as running:
        running.files["/a.iso"] = Served(
            make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n", size=4 * MIB).read_bytes()
        )
        yield running


def test_what_a_killed_fetch_left_is_marked_and_goes_with_the_next_verb(pool, kimchi, server):
    killed_at("kimchictl.media.remote.part:Part.write", "volume", "fetch", "p", server.url("/a.iso"))
    assert marks(kimchi) == {".a.iso.part": "left from a fetch that broke off"}
    kimchi("volume", "create", "p", "x", "--size", "1M", status=0)
    assert os.listdir(pool) == ["x"] and notes() == []


def test_the_same_fetch_takes_up_what_a_killed_one_left(pool, kimchi, server, tmp_path):
    checksum = "sha256:" + hashlib.sha256((tmp_path / "a.iso").read_bytes()).hexdigest()
    words = ("volume", "fetch", "p", server.url("/a.iso"), "--checksum", checksum)
    killed_at("kimchictl.media.remote.part:Part.write", *words)
    before, there = server.sent(), (pool / ".a.iso.part").stat().st_size
    kimchi(*words, status=0)
    assert server.sent() - before <= 4 * MIB - there + 4096
    assert os.listdir(pool) == ["a.iso"]
    kimchi("volume", "create", "p", "x", "--size", "1M", status=0)
    assert sorted(os.listdir(pool)) == ["a.iso", "x"] and notes() == []
