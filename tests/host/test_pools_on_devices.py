"""Pools on a block device: a file system that libvirt mounts, and partitions, which are volumes and no files.

All are commands on that host, where the one is mounted and the others are /dev's.
"""

import json
import os
import struct
import subprocess
import sys

import libvirt
import pytest

from lab.images import make_image

SIZE = 8 << 20


def attach(path):
    """The loop device that `path` now is."""
    made = subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"there are no loop devices: {made.stderr.strip()}")
    return made.stdout.strip()


@pytest.fixture
def device(tmp_path):
    """A block device with an empty ext4 on it."""
    with open(tmp_path / "disk", "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", tmp_path / "disk"], check=True)
    name = attach(tmp_path / "disk")
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


@pytest.fixture
def partitioned(host, tmp_path):
    """A block device with one partition, on which there is an image; the active pool `d` is on it."""
    first, sectors = 2048, 2048
    entry = struct.pack("<B3sB3sII", 0, bytes(3), 0x83, bytes(3), first, sectors)
    content = bytearray(446) + entry + bytes(48) + b"\x55\xaa" + bytes((first - 1) * 512)
    content += make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n").read_bytes()
    (tmp_path / "disk").write_bytes(content.ljust(SIZE, b"\0"))
    name = attach(tmp_path / "disk")
    try:
        # The kernel need not know of partition tables: it is told of the partition.
        subprocess.run(["addpart", name, "1", str(first), str(sectors)], check=True)
        if not os.path.exists(f"{name}p1"):
            pytest.skip("/dev is not the kernel's here")
        connection = libvirt.open(host.uri)
        source = f"<source><device path='{name}'/><format type='dos'/></source><target><path>/dev</path></target>"
        made = connection.storagePoolCreateXML(f"<pool type='disk'><name>d</name>{source}</pool>")
        yield f"{name}p1"
        made.destroy()
        connection.close()
    finally:
        subprocess.run(["delpart", name, "1"])
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


def test_volumes_that_are_no_files_are_read_through_libvirt(partitioned, there):
    (pool,) = there("pool", "list")
    assert (pool["type"], pool["state"], pool["volumes"]) == ("disk", "active", 1)
    (image,) = there("iso", "scan")
    assert (image["location"], image["volume"], image["pool"]) == (partitioned, partitioned[len("/dev/") :], "d")
    assert (image["source"], image["os_distro"], image["os_version"]) == ("pool", "debian", "12.5.0")
    assert there("iso", "probe", f"pool:d/{image['volume']}")[0]["volume_id"] == image["volume_id"]
    (volume,) = there("volume", "list", "d")
    assert (volume["type"], volume["path"], volume["capacity"]) == ("block", partitioned, 1 << 20)
