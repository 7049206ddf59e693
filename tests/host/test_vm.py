"""VMs on a real libvirtd and qemu: made from an image that really boots, and taken down again."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import libvirt
import pytest

from lab.images import BOOT_DONE, BOOT_OK, PAYLOAD, POWER_BUTTON, make_image

LABEL = "Debian 12.5.0 amd64 n"
GRUB = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"


@pytest.fixture
def ready(host, kimchi, tmp_path):
    """The host with an active pool and network."""
    kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
    kimchi("network", "start", "default", status=0)
    return host


@pytest.fixture
def template(ready, kimchi, tmp_path):
    """Makes a template of an image that boots; its name."""

    def make(name="deb", *options, label=LABEL, **settings):
        image = make_image(tmp_path / f"{name}.iso", label, **settings)
        small = ("--memory", "512M", "--vcpus", "1", "--disk", "size=1G", "--virt-type", "qemu")
        kimchi("template", "create", name, "--cdrom", image, *small, *options, status=0)
        return name

    return make


def command(*argv, **options):
    """A command line in a process of its own, for what reads or writes while it runs."""
    return subprocess.Popen([sys.executable, "-m", "kimchictl", *argv], stdout=subprocess.PIPE, **options)


def read_until(process, wanted, seconds=30):
    """What `process` printed up to and with `wanted`; fails when it does not come."""
    said, end = b"", time.monotonic() + seconds
    while wanted.encode() not in said:
        assert time.monotonic() < end, f"{wanted!r} did not come: {said!r}"
        if select.select([process.stdout], [], [], 0.2)[0]:
            data = os.read(process.stdout.fileno(), 4096)
            assert data, f"{wanted!r} did not come: {said!r}"
            said += data
    return said


def shown(kimchi, name="web"):
    return kimchi("vm", "show", name, "-o", "json", status=0).json


# -- booting


@pytest.mark.parametrize("label", [LABEL, "FOO 1"])
def test_a_guest_boots_from_its_image_and_says_so_on_its_console(kimchi, template, label):
    kimchi("vm", "create", "web", "--template", template(label=label, poweroff=True), status=0)
    with command("vm", "start", "web", "--console", stdin=subprocess.DEVNULL) as console:
        said = console.stdout.read().decode()
    assert console.returncode == 0
    assert f"{BOOT_OK} {PAYLOAD}" in said and BOOT_DONE in said


def test_what_is_piped_into_the_console_reaches_the_guest(kimchi, template):
    kimchi("vm", "create", "web", "--template", template(echo=True), status=0)
    with command("vm", "start", "web", "--console", stdin=subprocess.PIPE) as console:
        read_until(console, BOOT_DONE)
        console.stdin.write(b"hello\r")
        console.stdin.flush()
        read_until(console, "hello")
        console.stdin.write(b"\x1d")
        console.stdin.flush()
        assert console.wait(10) == 0
    assert shown(kimchi)["state"] == "running"


def test_the_console_is_one_person_s_unless_taken_over(kimchi, template):
    kimchi("vm", "create", "web", "--template", template(), status=0)
    with command("vm", "start", "web", "--console", stdin=subprocess.PIPE) as first:
        read_until(first, BOOT_DONE)
        assert "--force" in kimchi("vm", "console", "web", status=4).err
        first.stdin.write(b"\x1d")
        first.stdin.flush()
        assert first.wait(10) == 0


A_FILE = "<serial type='file'><source path='{}/log'/></serial>"


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("", "has no console"),
        (A_FILE, "written to {}/log"),
        (A_FILE + "<console type='pty'><target type='virtio'/></console>", ""),
    ],
    ids=["none", "a file", "a second one"],
)
def test_the_console_is_what_one_can_attach_to(host, kimchi, tmp_path, devices, said):
    machine = "<os><type>hvm</type></os><devices>" + devices.format(tmp_path) + "</devices>"
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        connection.createXML(f"<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory>{machine}</domain>")
    with command("vm", "console", "web", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as console:
        _, told = console.communicate(b"\x1d", timeout=10)
    assert (console.returncode, said.format(tmp_path) in told.decode()) == (4 if said else 0, True)


def test_the_screen_of_a_running_guest_can_be_saved(kimchi, template, tmp_path):
    kimchi("vm", "create", "web", "--template", template(), status=0)
    kimchi("vm", "screenshot", "web", "--file", tmp_path / "s.png", status=4)
    kimchi("vm", "start", "web", status=0)
    kimchi("vm", "screenshot", "web", "--file", tmp_path / "s.png", status=0)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert kimchi("vm", "display", "web", status=0).out.startswith("vnc://127.0.0.1:59")
    assert "type=vnc\nhost=127.0.0.1\ntitle=web\nport=59" in kimchi("vm", "display", "web", "--file", "-", status=0).out


def test_a_uefi_guest_with_a_tpm_starts_and_leaves_nothing(kimchi, template, host):
    kimchi("vm", "create", "web", "--template", template("deb", "--firmware", "uefi", "--tpm"), "--start", status=0)
    bill = kimchi("vm", "delete", "web", "--yes", status=0).err
    assert "web_VARS.fd" in bill and "TPM" in bill
    assert os.listdir(host.root / "lib/qemu/nvram") == [] and os.listdir(host.root / "lib/swtpm") == []


@pytest.mark.skipif(not os.path.exists(GRUB), reason="grub-rescue-pc is not installed")
def test_a_published_image_is_found_in_a_pool_and_boots(ready, kimchi, tmp_path):
    os.symlink(GRUB, tmp_path / "pool/grub.iso")
    found = kimchi("iso", "scan", "-o", "json", status=0).json
    assert [(image["pool"], image["volume"], image["bootable"]) for image in found] == [("default", "grub.iso", True)]
    kimchi("template", "create", "grub", "--cdrom", "pool:default/grub.iso", "--memory", "512M", status=0)
    kimchi("vm", "create", "web", "--template", "grub", "--virt-type", "qemu", "--start", status=0)
    assert shown(kimchi)["disks"][1]["source"].endswith("/pool/grub.iso")


# -- the life of a VM


def test_a_guest_that_obeys_is_stopped(kimchi, template):
    kimchi("vm", "create", "web", "--template", template(), status=0)
    with command("vm", "start", "web", "--console", stdin=subprocess.DEVNULL) as console:
        read_until(console, BOOT_DONE)
        kimchi("vm", "stop", "web", "--timeout", "20s", status=0)
        read_until(console, POWER_BUTTON)
        assert console.wait(10) == 0
    kimchi("vm", "wait", "web", "off", status=0)


def test_a_guest_that_does_not_is_said_to_and_its_power_cut(kimchi, template):
    kimchi("vm", "create", "web", "--template", template(ignore_acpi=True), "--start", status=0)
    assert "--force" in kimchi("vm", "stop", "web", "--timeout", "500ms", status=8).err
    kimchi("vm", "stop", "web", "--force", status=0)
    assert shown(kimchi)["state"] == "shutoff"


def test_a_vm_goes_with_its_disk_and_leaves_its_image(kimchi, template, tmp_path):
    kimchi("vm", "create", "web", "--template", template(), "--start", status=0)
    assert os.listdir(tmp_path / "pool") == ["web.qcow2"]
    kimchi("vm", "delete", "web", "--yes", status=0)
    assert os.listdir(tmp_path / "pool") == [] and (tmp_path / "deb.iso").exists()


def test_a_disk_that_backs_another_volume_stays(kimchi, template, host, tmp_path):
    kimchi("vm", "create", "web", "--template", template(), status=0)
    base = f"<backingStore><path>{tmp_path}/pool/web.qcow2</path><format type='qcow2'/></backingStore>"
    target = "<target><format type='qcow2'/></target>"
    connection = libvirt.open(host.uri)
    connection.storagePoolLookupByName("default").createXML(
        f"<volume><name>child.qcow2</name><capacity unit='G'>1</capacity>{target}{base}</volume>"
    )
    connection.close()
    assert "backs pool:default/child.qcow2" in kimchi("vm", "delete", "web", "--yes", status=0).err
    assert "backs pool:default/child.qcow2" in kimchi("volume", "delete", "default", "web.qcow2", "--yes", status=4).err
    assert sorted(os.listdir(tmp_path / "pool")) == ["child.qcow2", "web.qcow2"]


def test_saved_memory_and_snapshots_go_with_the_vm(kimchi, template, host):
    kimchi("vm", "create", "web", "--template", template(), status=0)
    connection = libvirt.open(host.uri)
    connection.lookupByName("web").snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    kimchi("vm", "start", "web", status=0)
    connection.lookupByName("web").managedSave()
    assert shown(kimchi)["snapshots"] == ["s"]
    bill = kimchi("vm", "delete", "web", "--yes", status=0).err
    assert "1 snapshot" in bill and "saved memory" in bill
    assert connection.listAllDomains() == []
    connection.close()


# -- what goes wrong


def test_a_start_that_fails_leaves_nothing(kimchi, template, host, tmp_path):
    name = template("deb", "--firmware", "uefi", "--tpm", "--graphics", "vnc,192.0.2.1")
    assert "--insecure" in kimchi("vm", "create", "web", "--template", name, "--start", status=2).err
    kimchi("vm", "create", "web", "--template", name, "--start", "--insecure", status=1)
    assert kimchi("vm", "list", "-o", "json", status=0).json == []
    assert os.listdir(tmp_path / "pool") == [] and os.listdir(host.root / "lib/qemu/nvram") == []


def test_an_interrupted_create_leaves_nothing(kimchi, template, tmp_path):
    name = template()
    for delay in (0.15, 0.3, 0.45, 0.6):
        process = command("vm", "create", "web", "--template", name, "--start", stderr=subprocess.PIPE)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        if b"vm 'web' created" in said:  # what is whole stays, whenever the signal comes
            kimchi("vm", "delete", "web", "--yes", status=0)
        assert kimchi("vm", "list", "-o", "json", status=0).json == []
        assert os.listdir(tmp_path / "pool") == []


def test_an_image_keeps_its_owner_and_mode(kimchi, template, tmp_path):
    name = template()
    os.chown(tmp_path / "deb.iso", 1234, 5678)
    before = os.stat(tmp_path / "deb.iso")
    kimchi("vm", "create", "web", "--template", name, "--start", status=0)
    while_running = os.stat(tmp_path / "deb.iso")
    kimchi("vm", "stop", "web", "--force", status=0)
    after = os.stat(tmp_path / "deb.iso")
    assert {(s.st_uid, s.st_gid, s.st_mode) for s in (before, while_running, after)} == {(1234, 5678, before.st_mode)}


def test_vms_that_another_tool_made_are_listed_and_shown(kimchi, host):
    connection = libvirt.open(host.uri)
    connection.defineXML(
        "<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    )
    connection.close()
    listed = kimchi("vm", "list", "-o", "json", status=0).json
    assert (listed[0]["name"], listed[0]["memory"], listed[0]["vcpus"]) == ("foreign", 64 << 20, 1)
    assert shown(kimchi, "foreign")["template"] is None


# -- images in pools


def test_an_image_just_copied_into_a_pool_boots(ready, kimchi, tmp_path):
    make_image(tmp_path / "pool/new.iso", LABEL)
    kimchi("template", "create", "t", "--cdrom", "pool:default/new.iso", "--memory", "512M", "--disk", "none", status=0)
    kimchi("vm", "create", "web", "--template", "t", "--virt-type", "qemu", "--start", status=0)
    assert [disk["source"] for disk in shown(kimchi)["disks"]] == [str(tmp_path / "pool/new.iso")]


def test_a_disk_on_a_base_image_leaves_the_base_as_it_is(ready, kimchi, tmp_path):
    base = tmp_path / "pool/base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1500M"], check=True)
    os.chown(base, 1234, 5678)
    before = base.read_bytes(), base.stat()
    store = Path(os.environ["KIMCHI_CONFIG_DIR"]) / "templates"
    store.mkdir(parents=True)
    (store / "t.json").write_text(json.dumps({"name": "t", "memory": 512, "disks": [{"base": str(base)}]}))
    kimchi("vm", "create", "web", "--template", "t", "--virt-type", "qemu", "--start", status=0)
    overlay = kimchi("volume", "show", "default", "web.qcow2", "-o", "json", status=0).json
    assert (overlay["capacity"], overlay["backing"]) == (2 << 30, str(base))
    assert "a backing file" in kimchi("vm", "delete", "web", "--yes", status=0).err
    after = base.stat()
    assert base.read_bytes() == before[0]
    assert (after.st_uid, after.st_gid, after.st_mode) == (1234, 5678, before[1].st_mode)


def test_several_processes_at_once_make_vms_of_different_names(kimchi, template, tmp_path):
    name = template()
    processes = [command("vm", "create", "--template", name, stderr=subprocess.PIPE) for _ in range(6)]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    names = [vm["name"] for vm in kimchi("vm", "list", "-o", "json", status=0).json]
    assert names == [f"deb-vm-{number}" for number in range(1, 7)]
    assert len(os.listdir(tmp_path / "pool")) == 6
