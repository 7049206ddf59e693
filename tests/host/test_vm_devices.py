"""Disks, media and interfaces of VMs that exist, running and not."""

import contextlib
import os
import re
import subprocess

import libvirt
import pytest

from lab.images import make_image

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """A VM `web` with one disk and a medium, a second one `db`, in an active pool with an active network."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--vcpus", "1", "--disk", "size=1G", "--network", "default", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    for name in ("web", "db"):
        kimchi("vm", "create", name, "--template", "deb", status=0)
    return tmp_path


def disks(kimchi):
    return {disk["target"]: disk for disk in kimchi("vm", "disk", "list", "web", "-o", "json", status=0).json}


def nics(kimchi):
    return kimchi("vm", "nic", "list", "web", "-o", "json", status=0).json


# -- disks


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_a_new_disk_is_attached_and_made_larger(web, kimchi, running):
    if running:
        kimchi("vm", "start", "web", status=0)
    done = kimchi("vm", "disk", "attach", "web", "--size", "2G", "-o", "json", status=0).json
    assert done == {"target": "vdb", "source": "pool:default/web-1.qcow2", "made": True}
    kimchi("vm", "disk", "resize", "web", "vdb", "+1G", status=0)
    assert disks(kimchi)["vdb"]["capacity"] == 3 << 30
    if running:
        assert "cannot shrink now" in kimchi("vm", "disk", "resize", "web", "vdb", "1G", status=4).err
        kimchi("vm", "stop", "web", "--force", status=0)
    kimchi("vm", "disk", "resize", "web", "vdb", "1G", status=2)
    assert {"vda", "vdb"} <= set(disks(kimchi))


def test_a_detached_disk_leaves_its_volume(web, kimchi):
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--bus", "sata", status=0)
    (target,) = set(disks(kimchi)) - {"vda", "sda"}
    assert "web-1.qcow2 stays" in kimchi("vm", "disk", "detach", "web", target, status=0).err
    assert target not in disks(kimchi) and (web / "pool/web-1.qcow2").exists()
    kimchi("vm", "disk", "detach", "web", target, status=3)


def test_a_running_vm_gets_the_controller_that_a_scsi_disk_needs(web, kimchi, host):
    kimchi("vm", "start", "web", status=0)
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--bus", "scsi", status=0)
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
            said = connection.lookupByName("web").XMLDesc(flags)
            assert "<controller type='scsi' index='0' model='virtio-scsi'>" in said and "bus='scsi'" in said


def test_a_disk_is_detached_by_whatever_its_image_is_called(web, kimchi):
    os.symlink(web / "pool/web-1.qcow2", web / "link")
    kimchi("vm", "disk", "attach", "web", "--size", "1G", status=0)
    for called in ("pool:default/web-1.qcow2", web / "link", web / "pool/../pool/web-1.qcow2"):
        assert "web-1.qcow2 stays" in kimchi("vm", "disk", "detach", "web", called, status=0).err
        kimchi("vm", "disk", "attach", "web", "pool:default/web-1.qcow2", status=0)
    for called in ("pool:default/none", "pool:none/none", "http://h/x", web / "none"):
        kimchi("vm", "disk", "detach", "web", called, status=3)


def test_a_volume_in_use_elsewhere_is_attached_only_when_told_to(web, kimchi):
    refused = kimchi("vm", "disk", "attach", "web", "pool:default/db.qcow2", status=4).err
    assert "in use by vm 'db'" in refused and "--shared" in refused
    kimchi("vm", "disk", "attach", "web", "pool:default/db.qcow2", "--readonly", status=4)
    kimchi("vm", "disk", "attach", "web", web / "pool/db.qcow2", status=4)
    kimchi("vm", "disk", "attach", "web", "pool:default/db.qcow2", "--shared", status=0)
    assert disks(kimchi)["vdb"]["source"] == str(web / "pool/db.qcow2")
    kimchi("vm", "start", "db", status=0)
    assert "another VM" in kimchi("vm", "start", "web", status=4).err


def test_what_changes_of_a_vm_with_saved_memory_is_said_to_count_later(web, kimchi, host):
    kimchi("vm", "start", "web", status=0)
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.lookupByName("web").managedSave()
    for command in (("edit", "web", "--title", "t"), ("disk", "attach", "web", "--size", "1G")):
        assert "has saved memory" in kimchi("vm", *command, status=0).err
    resized = kimchi("vm", "disk", "resize", "web", "vda", "2G", status=4).err
    assert "has saved memory" in resized and "kimchictl vm edit web --drop-saved" in resized


def test_what_cannot_be_attached_leaves_nothing(web, kimchi, tmp_path):
    kimchi("vm", "start", "web", status=0)
    before = os.listdir(web / "pool")
    assert "--next-start" in kimchi("vm", "disk", "attach", "web", "--size", "1G", "--bus", "sata", status=4).err
    kimchi("vm", "disk", "attach", "web", "pool:default/none.qcow2", status=3)
    kimchi("vm", "disk", "attach", "web", tmp_path / "none.img", status=3)
    (tmp_path / "some.img").write_bytes(bytes(1 << 20))
    assert "--format" in kimchi("vm", "disk", "attach", "web", tmp_path / "some.img", status=4).err
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--pool", "none", status=3)
    kimchi("vm", "disk", "attach", "web", "--size", "0", status=4)
    for source in (tmp_path, "/dev/null"):
        assert "neither" in kimchi("vm", "disk", "attach", "web", source, "--format", "raw", status=4).err
    kimchi("vm", "stop", "web", "--force", status=0)
    assert "no IDE" in kimchi("vm", "disk", "attach", "web", "--size", "1G", "--bus", "ide", status=4).err
    assert os.listdir(web / "pool") == before


def test_a_header_that_names_a_file_of_the_host_is_refused(web, kimchi):
    base = ("-F", "raw", "-b", "/etc/shadow")
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *base, web / "pool/evil.qcow2", "1G"], check=True)
    assert "/etc/shadow" in kimchi("vm", "disk", "attach", "web", "pool:default/evil.qcow2", status=4).err


def test_a_running_guest_that_does_not_let_go_keeps_its_disk(web, kimchi, monkeypatch):
    monkeypatch.setattr("kimchictl.virt.domain.devices.PATIENCE", 0.3)
    kimchi("vm", "disk", "attach", "web", "--size", "1G", status=0)
    kimchi("vm", "start", "web", status=0)
    assert "--next-start" in kimchi("vm", "disk", "detach", "web", "vdb", status=8).err
    kimchi("vm", "disk", "detach", "web", "vdb", "--next-start", status=0)
    kimchi("vm", "stop", "web", "--force", status=0)
    assert "vdb" not in disks(kimchi)


# -- media


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_media_go_in_and_out(web, kimchi, running):
    if running:
        kimchi("vm", "start", "web", status=0)
    kimchi("vm", "cdrom", "eject", "web", status=0)
    assert disks(kimchi)["sda"]["source"] is None
    assert "already" in kimchi("vm", "cdrom", "eject", "web", status=0).err
    make_image(web / "pool/ü & other.iso", LABEL)
    kimchi("vm", "cdrom", "insert", "web", "pool:default/ü & other.iso", status=0)
    assert disks(kimchi)["sda"]["source"] == str(web / "pool/ü & other.iso")
    kimchi("vm", "cdrom", "insert", "web", web / "deb.iso", status=0)
    assert disks(kimchi)["sda"]["source"] == str(web / "deb.iso")


def test_a_missing_medium_leaves_the_old_one(web, kimchi):
    kimchi("vm", "start", "web", status=0)
    for source in (web / "none.iso", "pool:default/none.iso"):
        kimchi("vm", "cdrom", "insert", "web", source, status=3)
    kimchi("vm", "cdrom", "insert", "web", "http://127.0.0.1:9/none.iso", status=1)
    kimchi("vm", "cdrom", "insert", "web", "http://127.0.0.1:9/none.iso", "--no-check")
    assert disks(kimchi)["sda"]["source"] == str(web / "deb.iso")


def test_a_vm_without_a_drive_gets_one_while_it_is_off(web, kimchi):
    kimchi("vm", "disk", "detach", "web", "sda", status=0)
    kimchi("vm", "cdrom", "eject", "web", status=3)
    kimchi("vm", "cdrom", "insert", "web", web / "deb.iso", status=0)
    assert disks(kimchi)["sda"]["device"] == "cdrom"


# -- looked at

FOREIGN = """<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='v.qcow2'/>
<target dev='hda' bus='ide'/></disk>
<hostdev mode='subsystem' type='usb'><source><vendor id='0x1d6b'/><product id='0x0002'/></source></hostdev>
<graphics type='vnc' port='5999'/><graphics type='spice' autoport='yes'/></devices></domain>"""


def test_what_others_made_is_shown_with_its_sizes_displays_and_devices_of_the_host(web, kimchi, host):
    kimchi("volume", "create", "default", "v.qcow2", "--size", "1G", status=0)
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.defineXML(FOREIGN)
    vm = kimchi("vm", "show", "foreign", "-o", "json", status=0).json
    (disk,) = vm["disks"]
    assert disk["capacity"] == 1 << 30 and 0 < disk["allocation"] < 1 << 20
    assert vm["hostdevs"] == [{"type": "usb", "name": "1d6b:0002"}]
    assert [each["type"] for each in vm["displays"]] == ["vnc", "spice"] and vm["graphics"] == vm["displays"][0]
    said = kimchi("vm", "show", "foreign", status=0).out
    assert re.search(r"pool:default/v.qcow2 1 GiB, \d+ KiB allocated\n", said)
    assert "displays     vnc :5999\n             spice\n" in said and "hostdevs     usb 1d6b:0002\n" in said
    assert "displays" not in kimchi("vm", "show", "web", status=0).out


# -- interfaces


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_interfaces_are_attached_and_changed(web, kimchi, running):
    if running:
        kimchi("vm", "start", "web", status=0)
    kimchi("vm", "nic", "attach", "web", "user", "--mac", "52-54-00-AA-bb-01", status=0)
    assert [(nic["type"], nic["mac"]) for nic in nics(kimchi)][1] == ("user", "52:54:00:aa:bb:01")
    kimchi("vm", "nic", "set", "web", "0", "--link", "down", status=0)
    assert nics(kimchi)[0]["link"] == "down"
    if running:
        assert "--next-start" in kimchi("vm", "nic", "set", "web", "1", "--network", "default", status=4).err
        return
    kimchi("vm", "nic", "set", "web", "1", "--network", "default", "--model", "e1000", status=0)
    assert (nics(kimchi)[1]["name"], nics(kimchi)[1]["model"]) == ("default", "e1000")
    kimchi("vm", "nic", "detach", "web", "52:54:00:aa:bb:01", status=0)
    assert len(nics(kimchi)) == 1


def test_what_a_guest_has_in_another_slot_than_its_definition_is_changed_in_both(web, kimchi, host):
    kimchi("vm", "start", "web", status=0)
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--next-start", status=0)
    kimchi("vm", "nic", "attach", "web", "default", status=0)
    kimchi("vm", "nic", "set", "web", "1", "--link", "down", status=0)
    kimchi("vm", "disk", "detach", "web", "vdb", status=0)  # which only the definition has
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        live, kept = (connection.lookupByName("web").XMLDesc(flags) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE))
    slots = [
        re.findall("<interface.*?<link state='down'/>.*?(<address type='pci'.*?>)", each, re.S) for each in (live, kept)
    ]
    assert [len(each) for each in slots] == [1, 1] and slots[0] != slots[1]
    assert "vdb" not in kept


def test_interfaces_that_cannot_be_are_refused(web, kimchi):
    taken = kimchi("vm", "nic", "list", "db", "-o", "name", status=0).out.strip()
    assert "vm db" in kimchi("vm", "nic", "attach", "web", "default", "--mac", taken, status=4).err
    kimchi("vm", "nic", "attach", "web", "nosuch", status=3)
    kimchi("vm", "nic", "attach", "web", "default", "--mac", "xx", status=4)
    kimchi("vm", "nic", "detach", "web", "7", status=3)
    kimchi("vm", "nic", "set", "web", "0", status=2)
    assert (
        "no interface of model 'e1001'"
        in kimchi("vm", "nic", "attach", "web", "user", "--model", "e1001", status=4).err
    )
    assert "did you mean" in kimchi("vm", "nic", "set", "web", "0", "--model", "e1001", status=4).err
    assert len(nics(kimchi)) == 1


def test_a_bridge_that_is_not_there_is_said_while_it_is_off_and_refused_while_it_runs(web, kimchi):
    assert "bridge 'nosuch' is not there" in kimchi("vm", "nic", "set", "web", "0", "--network", "bridge=nosuch").err
    assert f"vm nic set web {nics(kimchi)[0]['mac']} --network NAME" in kimchi("vm", "start", "web").err
    kimchi("vm", "nic", "set", "web", "0", "--network", "default", status=0)
    kimchi("vm", "start", "web", status=0)
    assert "--next-start" in kimchi("vm", "nic", "attach", "web", "bridge=nosuch", status=3).err
    later = kimchi("vm", "nic", "attach", "web", "bridge=nosuch", "--next-start", status=0)
    assert "cannot start before it is" in later.err and len(nics(kimchi)) == 2


# -- at the next start


def test_a_list_of_disks_says_what_the_next_start_changes(web, kimchi, host):
    kimchi("vm", "disk", "attach", "web", "--size", "1G", status=0)
    kimchi("vm", "start", "web", status=0)
    assert {disk["pending"] for disk in disks(kimchi).values()} == {None}
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--next-start", status=0)
    kimchi("vm", "disk", "detach", "web", "vdb", "--next-start", status=0)
    kimchi("vm", "cdrom", "eject", "web", "--next-start", status=0)
    found = disks(kimchi)
    pending = {target: (disk["pending"], disk["next_source"]) for target, disk in found.items()}
    image, pool = str(web / "deb.iso"), web / "pool"
    assert found["sda"]["source"] == image and found["vdc"]["volume"] == "web-2.qcow2"
    stays = (None, str(pool / "web.qcow2"))
    assert pending == {
        "vda": stays,
        "vdb": ("detach", None),
        "sda": ("change", None),
        "vdc": ("attach", str(pool / "web-2.qcow2")),
    }
    kimchi("vm", "stop", "web", "--force", status=0)
    kimchi("vm", "start", "web", status=0)
    assert {target: disk["pending"] for target, disk in disks(kimchi).items()} == dict.fromkeys(("vda", "sda", "vdc"))


def test_a_list_of_interfaces_says_what_the_next_start_changes(web, kimchi):
    kimchi("vm", "nic", "attach", "web", "user", status=0)
    kimchi("vm", "start", "web", status=0)
    kimchi("vm", "nic", "set", "web", "0", "--link", "down", "--next-start", status=0)
    kimchi("vm", "nic", "detach", "web", "1", "--next-start", status=0)
    kimchi("vm", "nic", "attach", "web", "user", "--next-start", status=0)
    found = [(nic["index"], nic["link"], nic["pending"]) for nic in nics(kimchi)]
    assert found == [(0, "up", "change"), (1, "up", "detach"), (None, "up", "attach")]
    assert "attach" in kimchi("vm", "nic", "list", "web", status=0).out
