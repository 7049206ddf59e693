"""Pools of type fs, with a file system that libvirt mounts: as commands on that host, where it is mounted."""

import json
import os
import subprocess
import sys

import pytest

from lab.images import make_image

SIZE = 8 << 20


@pytest.fixture
def device(tmp_path):
    """A block device with an empty ext4 on it."""
    with open(tmp_path / "disk", "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", tmp_path / "disk"], check=True)
    made = subprocess.run(["losetup", "--find", "--show", tmp_path / "disk"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"there are no loop devices: {made.stderr.strip()}")
    name = made.stdout.strip()
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


@pytest.fixture
def there(host):
    """Runs a command line there; what it printed as JSON, or what it said and its status."""

    def run(*argv, status=0):
        words = [sys.executable, "-m", "kimchictl", "-c", "qemu:///system", "-o", "json", *map(str, argv)]
        done = host.run(words, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    return run


@pytest.fixture
def pool(there, device, tmp_path):
    """The directory at which the active pool `p` is mounted."""
    there("pool", "create", "p", "--type", "fs", "--path", tmp_path / "mnt", "--source-dev", device, "--start")
    return tmp_path / "mnt"


def test_a_file_system_is_mounted_and_what_is_in_it_are_volumes(pool, there, host):
    (shown,) = there("pool", "list")
    assert (shown["type"], shown["state"], shown["path"], shown["stale"]) == ("fs", "active", str(pool), False)
    assert 0 < shown["available"] <= shown["capacity"] < SIZE and os.listdir(pool) == []
    image = make_image(pool.parent / "deb.iso", "Debian 12.5.0 amd64 n")
    there("volume", "upload", "p", image)
    there("volume", "create", "p", "d.qcow2", "--size", "1G")
    found = {each["name"]: (each["format"], each["os_distro"]) for each in there("volume", "list", "p")}
    assert found == {"lost+found": ("dir", None), "deb.iso": ("iso", "debian"), "d.qcow2": ("qcow2", None)}
    assert [each["location"] for each in there("iso", "scan")] == [f"{pool}/deb.iso"]
    there("pool", "stop", "p")
    host.run(["test", "!", "-e", pool / "deb.iso"], check=True)
    assert there("pool", "show", "p")["state"] == "inactive"
    there("pool", "start", "p")
    assert len(there("volume", "list", "p")) == 3


def test_it_goes_with_its_contents_and_its_mount_point(pool, there, device):
    there("volume", "create", "p", "d.qcow2", "--size", "1G")
    there("pool", "delete", "p", status=4)
    there("pool", "delete", "p", "--with-contents", "--yes")
    assert there("pool", "list") == [] and not pool.exists()


def test_one_that_cannot_be_mounted_is_not_left_behind(there, tmp_path, device):
    wrong = ("--source-dev", device, "--source-format", "xfs", "--start")
    said = there("pool", "create", "p", "--type", "fs", "--path", tmp_path / "mnt", *wrong, status=1)
    assert "pool 'p' cannot be created" in said and there("pool", "list") == []


def test_where_its_device_is_can_be_changed(there, tmp_path, device):
    there("pool", "create", "p", "--type", "fs", "--path", tmp_path / "mnt", "--source-dev", "/dev/nosuch")
    there("pool", "start", "p", status=1)
    there("pool", "edit", "p", "--source-dev", device)
    there("pool", "start", "p")
    assert there("pool", "show", "p")["active"] is True
