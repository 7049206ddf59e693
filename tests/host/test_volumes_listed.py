"""What a list of volumes says, and what it costs."""

import os
import subprocess

import libvirt

from kimchictl.virt.connection import open_host
from kimchictl.virt.storage.volumes import list_volumes, read_volume
from lab.images import make_image


def qemu_img(*words):
    subprocess.run(["qemu-img", *words], check=True, capture_output=True)


def test_a_volume_read_here_is_what_libvirt_says_of_it(pool, host, kimchi, tmp_path):
    make_image(pool / "a.iso", "Debian 12.5.0 amd64 n")
    for form in ("qcow2", "vmdk", "vdi", "qed", "vpc", "raw"):
        qemu_img("create", "-f", form, pool / f"d.{form}", "64M")
    qemu_img("create", "-f", "qcow2", "-o", "compat=0.10", pool / "old.qcow2", "64M")
    qemu_img("create", "-f", "qcow2", "-F", "qcow2", "-b", "d.qcow2", pool / "relative.qcow2")
    qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", pool / "d.raw", pool / "absolute.qcow2")
    (pool / "short.qcow2").write_bytes(b"QFI\xfb\0\0\0\3")
    (pool / "empty").touch()
    (pool / "link.iso").symlink_to("a.iso")
    (pool / "sub").mkdir()
    (pool / "sparse").open("wb").truncate(1 << 30)
    kimchi("pool", "list", status=0)
    with open_host(host.uri) as opened:
        here = {volume.name: volume for volume in list_volumes(opened, "p")}
        handles = opened.conn.storagePoolLookupByName("p").listAllVolumes()
        assert here == {handle.name(): read_volume(handle, "p") for handle in handles}
    assert len(here) >= 13


def test_a_pool_of_this_machine_costs_the_same_calls_whatever_is_in_it(pool, host, kimchi, monkeypatch):
    image = make_image(pool / "0.iso", "Debian 12.5.0 amd64 n")
    for number in range(1, 5000):
        os.link(image, pool / f"{number}.iso")
    calls = []
    for kind in (libvirt.virStorageVol, libvirt.virStoragePool, libvirt.virConnect):
        for name in ("XMLDesc", "info", "path", "key", "listAllVolumes", "isActive", "storagePoolLookupByName"):
            if hasattr(kind, name):
                monkeypatch.setattr(kind, name, counted(calls, name, getattr(kind, name)))
    found = kimchi("volume", "list", "p", "-o", "json", status=0).json
    assert len(found) == 5000 and {volume["os_distro"] for volume in found} == {"debian"}
    assert "listAllVolumes" in calls and len(calls) < 20, calls


def test_any_other_pool_costs_one_call_a_volume(pool, host, monkeypatch):
    for number in range(20):
        (pool / f"{number}").write_bytes(b"x")
    calls = []
    monkeypatch.setattr("kimchictl.virt.storage.volumes.FILE_POOLS", ())
    for name in ("XMLDesc", "info", "path", "key"):
        monkeypatch.setattr(libvirt.virStorageVol, name, counted(calls, name, getattr(libvirt.virStorageVol, name)))
    with open_host(host.uri) as opened:
        opened.conn.storagePoolLookupByName("p").refresh()
        assert len(list_volumes(opened, "p")) == len(calls) == 20


def counted(calls, name, work):
    def call(*argv):
        calls.append(name)
        return work(*argv)

    return call


def test_pipes_and_sockets_in_a_pool_hang_nothing(pool, kimchi):
    import socket

    os.mkfifo(pool / "fifo.iso")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(pool / "s"))
    (pool / "good").write_bytes(b"x")
    assert "good" in kimchi("volume", "list", "p", "-o", "name", status=0).out.split()
    kimchi("iso", "scan", status=0)
