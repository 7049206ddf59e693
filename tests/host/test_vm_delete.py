"""The bill of a deletion: what goes with a VM, and what stays."""

import os
import subprocess

import libvirt
import pytest

from lab.images import make_image


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """Makes the VM `web` with these options; returns the pool's directory."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu", "--disk", "size=1G")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)

    def make(*options):
        kimchi("vm", "create", "web", "--template", "deb", *options, status=0)
        return active_pool

    return make


def bill(run):
    """{"goes": [...], "stays": [...]}."""
    lines = [line.strip().partition(": ") for line in run.err.splitlines()]
    return {what: [text.strip() for head, _, text in lines if head == what] for what in ("goes", "stays")}


def test_all_that_libvirt_keeps_for_a_vm_is_on_the_bill_and_goes(web, kimchi, host):
    pool = web("--firmware", "uefi", "--tpm", "--start")
    host.run(["virsh", "managedsave", "web"])
    done = kimchi("vm", "delete", "web", "--yes", status=0)
    assert bill(done)["goes"][0].startswith("pool:default/web.qcow2")
    for what in ("variables of its firmware", "the state of its TPM", "its saved memory"):
        assert any(what in line for line in bill(done)["goes"]), what
    assert os.listdir(pool) == []
    assert [os.listdir(host.root / "lib" / part) for part in ("qemu/nvram", "qemu/save", "swtpm")] == [[], [], []]


def test_what_others_have_too_stays(web, kimchi, host):
    pool = web()
    kimchi("vm", "snapshot", "create", "web", "one", status=0)
    for name, mode in (("shared.img", "shareable"), ("read.img", "readonly"), ("mine.img", None)):
        kimchi("volume", "create", "default", name, "--size", "1G", "--format", "raw", status=0)
        target = {"shared.img": "vdb", "read.img": "vdc", "mine.img": "vdd"}[name]
        kind = ["--mode", mode] if mode else []
        host.run(["virsh", "attach-disk", "web", str(pool / name), target, "--config", *kind])
    kimchi("volume", "create", "default", "child.qcow2", "--backing", "mine.img", status=0)
    done = bill(kimchi("vm", "delete", "web", "--yes", status=0))
    assert [line.partition(" (")[0] for line in done["goes"]] == ["pool:default/web.qcow2", "1 snapshot"]
    why = [line.partition(": ")[2] for line in done["stays"][:3]]
    assert why == ["a shared disk", "it is only read", "it backs pool:default/child.qcow2"]
    assert sorted(os.listdir(pool)) == ["child.qcow2", "mine.img", "read.img", "shared.img"]


def test_what_another_vm_or_a_template_calls_by_another_name_stays(web, kimchi, host):
    pool = web()
    kimchi("volume", "create", "default", "data.qcow2", "--size", "1G", status=0)
    system = ("--os-distro", "debian", "--os-version", "12", "--virt-type", "qemu", "--network", "none")
    kimchi("template", "create", "cloud", "--image", "pool:default/data.qcow2", *system, status=0)
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)
    host.run(["virsh", "attach-disk", "web", str(pool / "data.qcow2"), "vdb", "--config", "--subdriver", "qcow2"])
    host.run(["virsh", "attach-disk", "db", str(pool / "web.qcow2"), "vda", "--config"])
    source = f"<source file='{pool}/web.qcow2'/>"
    connection = libvirt.open(host.uri)
    document = connection.lookupByName("web").XMLDesc(0)
    assert source in document
    as_volume = document.replace(source, "<source pool='default' volume='web.qcow2'/>")
    connection.defineXML(as_volume.replace("<disk type='file' device='disk'>", "<disk type='volume' device='disk'>", 1))
    connection.close()
    done = bill(kimchi("vm", "delete", "web", "--yes", status=0))
    assert done["goes"] == [] and [line.partition(": ")[2] for line in done["stays"][:2]] == [
        "used by db",
        "named by template cloud",
    ]
    assert sorted(os.listdir(pool)) == ["data.qcow2", "web.qcow2"]


def test_a_backing_file_is_of_no_other_disk_unless_a_template_names_it(web, kimchi):
    web()
    kimchi("vm", "clone", "web", "test", "--linked", status=0)
    kimchi("vm", "delete", "web", "--yes", status=0)
    assert "of no other disk" in kimchi("vm", "delete", "test", status=2).err
    kimchi("template", "create", "cloud", "--image", "pool:default/web.qcow2", "--no-check", status=0)
    assert "of no other disk" not in kimchi("vm", "delete", "test", "--yes", status=0).err


def test_what_cannot_be_deleted_keeps_nothing_else(web, kimchi, monkeypatch):
    pool, real = web(), libvirt.virStorageVol.delete
    kimchi("vm", "disk", "attach", "web", "--size", "1G", status=0)

    def delete(volume, flags):
        if volume.name() == "web.qcow2":
            raise libvirt.libvirtError("no")
        return real(volume, flags)

    monkeypatch.setattr(libvirt.virStorageVol, "delete", delete)
    assert "'web.qcow2'" in kimchi("vm", "delete", "web", "--yes", status=1).err
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "list", "-o", "name").out == ""


def test_without_consent_the_bill_is_shown_and_nothing_is_done(web, kimchi):
    pool = web("--start")
    done = kimchi("vm", "delete", "web", status=2)
    assert "which is running and is powered off first" in done.err and "--yes" in done.err
    assert kimchi("vm", "show", "web", "-o", "json").json["state"] == "running" and os.listdir(pool) == ["web.qcow2"]


def test_disks_are_kept_where_that_is_wanted(web, kimchi):
    pool = web()
    done = kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    assert f"{pool}/web.qcow2: the disks are kept" in bill(done)["stays"]
    assert subprocess.run(["qemu-img", "check", "-q", pool / "web.qcow2"]).returncode == 0


def test_what_somebody_took_into_use_while_the_bill_was_read_is_not_deleted(web, kimchi, host, monkeypatch):
    pool = web()
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)
    attach = ["virsh", "attach-disk", "db", str(pool / "web.qcow2"), "vda", "--config"]
    monkeypatch.setattr("kimchictl.app.App.confirm", lambda *_: host.run(attach))
    assert "has changed meanwhile" in kimchi("vm", "delete", "web", status=4).err
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "show", "web", status=0)


def test_a_disk_that_a_vm_has_twice_is_billed_once(web, kimchi, host, tmp_path):
    pool = web()
    (tmp_path / "link").symlink_to(pool)
    again = ["virsh", "attach-disk", "web", str(tmp_path / "link/web.qcow2"), "vdb", "--config"]
    host.run(again)
    done = bill(kimchi("vm", "delete", "web", "--yes", status=0))
    assert [line.partition(" (")[0] for line in done["goes"]] == ["pool:default/web.qcow2"] and os.listdir(pool) == []


def test_while_a_pool_is_dead_disks_stay_that_it_may_need(web, kimchi, tmp_path):
    pool = web()
    kimchi("pool", "create", "q", "--path", tmp_path / "q", "--start", status=0)
    (tmp_path / "q").rmdir()
    done = bill(kimchi("vm", "delete", "web", "--yes", status=0))
    assert done["goes"] == [] and "pool 'q', in which something may need it" in done["stays"][0]
    assert os.listdir(pool) == ["web.qcow2"]
