"""Who uses a volume, by whatever name: never a volume in use elsewhere, never a backing file in use."""

import json
import os
import struct
import subprocess
from uuid import NAMESPACE_OID, uuid5

import libvirt
import pytest

from kimchictl.actions.vms.vm_usage import find_users
from kimchictl.media.seed import seed_image
from kimchictl.virt.connection import open_host
from kimchictl.virt.domain.metadata import NAMESPACE
from lab.fuse import DeadDirectory, needs_fuse
from lab.images import make_image

GUEST = """<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory unit='MiB'>64</memory>
  <os><type>hvm</type>{}</os><devices>
  <disk type='{}'><driver name='qemu' type='{}'/><source {}/><target dev='vda'/></disk></devices></domain>"""


@pytest.fixture
def guest(host):
    """Defines a VM with a disk: `guest("web", path)`, or with `volume` one of a pool."""
    connection = libvirt.open(host.uri)

    def define(name, path=None, form="qcow2", volume=None, extra="", start=False):
        source = f"file='{path}'" if path else f"pool='{volume[0]}' volume='{volume[1]}'"
        document = GUEST.format(name, uuid5(NAMESPACE_OID, name), extra, "file" if path else "volume", form, source)
        domain = connection.defineXML(document)
        if start:
            domain.create()
        return domain

    yield define
    connection.close()


def image(path, base=None, form="qcow2"):
    upon = ["-b", base, "-F", form] if base else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *upon, path, *([] if base else ["1M"])], check=True)
    return path


def used(kimchi, name, *more):
    return kimchi(*more, "volume", "show", "p", name, "-o", "json", status=0).json["used_by"]


def orphans(kimchi):
    return kimchi("volume", "orphans", "-o", "name", status=0).out.split()


def refused(kimchi, name, why):
    """Whether all that would harm the volume is refused for that reason."""
    for verb, *more in (("delete",), ("wipe",), ("resize", "1K", "--shrink"), ("upload",)):
        words = ("/etc/hostname", "--name", name) if verb == "upload" else (name, *more)
        assert why in kimchi("volume", verb, "p", *words, "--yes", status=4).err, verb
    return True


@pytest.mark.parametrize("kind", ["a link to its directory", "a link to it", "a hard link"])
def test_a_vm_that_calls_a_volume_by_another_name_uses_it(pool, kimchi, guest, tmp_path, kind):
    kimchi("volume", "create", "p", "a.qcow2", "--size", "1M", status=0)
    (tmp_path / "other").symlink_to("p") if kind.endswith("directory") else (tmp_path / "other").mkdir()
    called = tmp_path / "other/a.qcow2"
    if kind == "a link to it":
        called.symlink_to(pool / "a.qcow2")
    elif kind == "a hard link":
        os.link(pool / "a.qcow2", called)
    guest("web", called)
    guest("db", pool / "a.qcow2")
    assert (used(kimchi, "a.qcow2"), orphans(kimchi)) == (["db", "web"], [])
    assert "used by web" in kimchi("vm", "delete", "db", "--yes", status=0).err
    for verb in ("delete", "wipe"):
        assert "in use by vm 'web'" in kimchi("volume", verb, "p", "a.qcow2", "--yes", status=4).err
    assert "in use by vm 'web'" in kimchi("pool", "delete", "p", "--with-contents", "--yes", status=4).err
    shown = kimchi("pool", "show", "p", "-o", "json", status=0).json["used_by"]
    assert shown == ([] if kind == "a hard link" else ["web"])  # what is in no directory of the pool is not in the pool
    guest("web", called, start=True)
    assert refused(kimchi, "a.qcow2", "web")
    guest("new", tmp_path / "none")
    assert "in use by vm 'web'" in kimchi("vm", "disk", "attach", "new", "pool:p/a.qcow2", status=4).err
    assert "in use by vm 'web'" in kimchi("vm", "disk", "attach", "new", called, "--format", "qcow2", status=4).err


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_a_disk_in_no_pool_uses_all_that_backs_it(pool, kimchi, guest, tmp_path, running):
    kimchi("volume", "create", "p", "base", "--size", "1M", "--format", "raw", status=0)
    middle = image(tmp_path / "middle", pool / "base", "raw")
    top = image(tmp_path / "top", "middle")
    guest("web", top, start=running)
    guest("db", pool / "base", "raw")
    assert (used(kimchi, "base"), orphans(kimchi)) == ([str(middle), "db", "web"], [])
    assert f"it backs {middle}" in kimchi("vm", "delete", "db", "--yes", status=0).err
    assert refused(kimchi, "base", str(middle))
    guest("new", tmp_path / "none")
    assert f"backs {middle}" in kimchi("vm", "disk", "attach", "new", "pool:p/base", status=4).err
    kimchi("vm", "disk", "attach", "new", "pool:p/base", "--readonly", status=0)


@pytest.mark.parametrize("protocol", ["file:{}", 'json:{{"driver":"raw","file":{{"driver":"file","filename":"{}"}}}}'])
def test_what_backs_a_disk_is_known_by_qemu_s_own_words_for_it(pool, kimchi, guest, tmp_path, protocol):
    kimchi("volume", "create", "p", "base", "--size", "1M", "--format", "raw", status=0)
    guest("web", image(tmp_path / "top", protocol.format(pool / "base"), "raw"))
    assert used(kimchi, "base") == [str(tmp_path / "top"), "web"]


def test_a_stopped_pool_is_looked_into(pool, kimchi, guest, tmp_path):
    for base in ("base", "other"):
        kimchi("volume", "create", "p", base, "--size", "1M", status=0)
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    kimchi("volume", "create", "q", "top", "--backing", "pool:p/base", status=0)
    kimchi("volume", "create", "q", "free", "--backing", "pool:p/other", status=0)
    guest("web", volume=("q", "top"))
    kimchi("pool", "stop", "q", status=0)
    assert used(kimchi, "base") == [str(tmp_path / "q/top"), "web"]
    assert kimchi("volume", "list", "p", "-o", "json", status=0).json[0]["used_by"] == [str(tmp_path / "q/top"), "web"]
    assert (used(kimchi, "other"), orphans(kimchi)) == ([str(tmp_path / "q/free")], [])
    assert refused(kimchi, "base", "q/top") and refused(kimchi, "other", "q/free")


def test_what_a_guest_wrote_to_a_raw_disk_in_no_pool_says_nothing(pool, kimchi, guest, tmp_path):
    kimchi("volume", "create", "p", "victim", "--size", "1M", status=0)
    name = os.fsencode(pool / "victim")
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 2, 4096, len(name), 16, 1 << 20, 0)
    (tmp_path / "disk").write_bytes((header.ljust(4096, b"\0") + name).ljust(1 << 20, b"\0"))
    guest("web", tmp_path / "disk", "raw")
    assert used(kimchi, "victim") == [] and orphans(kimchi) == ["victim"]
    guest("web", image(tmp_path / "top", tmp_path / "disk", "raw"))
    assert used(kimchi, "victim") == []
    guest("web", tmp_path / "disk")
    assert used(kimchi, "victim") == [str(tmp_path / "disk"), "web"]


def test_all_that_a_definition_names_is_in_use(pool, kimchi, guest):
    for name in ("disk", "kernel", "saved"):
        kimchi("volume", "create", "p", name, "--size", "1M", status=0)
    domain = guest("web", pool / "saved", start=True)
    domain.managedSave()
    guest("web", pool / "disk", extra=f"<kernel>{pool}/kernel</kernel>")
    assert [used(kimchi, name) for name in ("disk", "kernel", "saved")] == [["web"]] * 3
    assert orphans(kimchi) == []


def test_the_firmware_variables_of_a_vm_that_is_off_are_in_use(host):
    connection = libvirt.open(host.uri)
    system = "<os firmware='efi'><type machine='q35'>hvm</type></os><features><acpi/></features>"
    connection.defineXML(f"<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>{system}</domain>")
    connection.close()
    with open_host(host.uri) as opened:
        assert find_users(opened).by_source["/var/lib/libvirt/qemu/nvram/web_VARS.fd"] == {"web"}


def test_what_only_a_snapshot_has_uses_what_backs_it(pool, kimchi, guest, tmp_path):
    kimchi("volume", "create", "p", "base", "--size", "1M", status=0)
    domain = guest("web", image(tmp_path / "top", pool / "base"))
    disk = f"<disk name='vda' snapshot='external'><source file='{tmp_path}/over'/></disk>"
    snapshot = f"<domainsnapshot><name>s</name><disks>{disk}</disks></domainsnapshot>"
    domain.snapshotCreateXML(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    domain.detachDeviceFlags(f"<disk type='file'><source file='{tmp_path}/over'/><target dev='vda'/></disk>")
    assert used(kimchi, "base") == [str(tmp_path / "top"), "web"] and orphans(kimchi) == []


def test_cloud_init_data_are_of_the_vm_that_they_were_made_for_ejected_too(pool, kimchi, guest, host):
    (pool / "seed.iso").write_bytes(seed_image(b"#cloud-config", "web", "1"))
    (pool / "other.iso").write_bytes(seed_image(b"#cloud-config", "gone", "2"))
    make_image(pool / "debian.iso", "Debian 12.5.0 amd64 n")
    domain, connection = guest("web", "/none"), libvirt.open(host.uri)
    vm = f"<kimchi:vm xmlns:kimchi='{NAMESPACE}'><kimchi:seed pool='p' volume='seed.iso'/></kimchi:vm>"
    document = domain.XMLDesc().replace("<memory", f"<metadata>{vm}</metadata><memory", 1)
    connection.defineXML(document)
    connection.close()
    assert used(kimchi, "seed.iso") == ["web"] and orphans(kimchi) == ["other.iso"]
    assert "goes:  pool:p/seed.iso" in kimchi("vm", "delete", "web", "--yes", status=0).err
    assert sorted(os.listdir(pool)) == ["debian.iso", "other.iso"]


def test_a_template_that_calls_a_base_by_a_link_uses_it(pool, kimchi, tmp_path):
    kimchi("volume", "create", "p", "base", "--size", "1M", status=0)
    (tmp_path / "link").symlink_to("p")
    system = {"name": "cloud", "cdrom": None, "os_distro": "debian", "os_version": "12"}
    (tmp_path / "cloud.json").write_text(json.dumps([{**system, "disks": [{"base": str(tmp_path / "link/base")}]}]))
    kimchi("template", "import", tmp_path / "cloud.json", status=0)
    assert used(kimchi, "base") == ["cloud"] and orphans(kimchi) == []
    assert "template 'cloud'" in kimchi("volume", "delete", "p", "base", "--yes", status=4).err


@needs_fuse
def test_a_disk_whose_directory_hangs_hinders_nothing_and_is_named(pool, kimchi, guest, tmp_path, monkeypatch):
    monkeypatch.setattr("kimchictl.actions.storage.samefile.SECONDS", 0.3)
    kimchi("volume", "create", "p", "v", "--size", "1M", status=0)
    with DeadDirectory(tmp_path / "dead", names=True) as dead:
        guest("web", dead.path / "top")
        guest("db", pool / "v")
        assert [volume["used_by"] for volume in kimchi("volume", "list", "-o", "json", status=0).json] == [["db"]]
        done = kimchi("vm", "delete", "db", "--yes", status=0)
        assert f"what backs {dead.path}/top, which VMs have, is not known" in done.err and os.listdir(pool) == []
        dead.revive()


def test_what_cannot_be_known_of_a_host_far_away_is_said(pool, kimchi, guest, tmp_path, ssh):
    kimchi("volume", "create", "p", "base", "--size", "1M", status=0)
    kimchi("volume", "create", "p", "inside", "--backing", "base", status=0)
    guest("web", image(tmp_path / "top", pool / "base"))
    guest("db", f"{pool.parent}/./p//base")
    assert used(kimchi, "base", "-c", ssh) == ["db", "pool:p/inside"]
    done = kimchi("-c", ssh, "volume", "delete", "p", "inside", "--yes", status=0)
    assert f"what backs {tmp_path}/top, which VMs have, is not known" in done.err
