"""Snapshots of VMs, running and off."""

import signal
import subprocess
import sys
import time

import libvirt
import pytest

from lab.images import make_image

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def create(active_pool, kimchi, tmp_path):
    """Makes the VM `web` with these options."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)
    return lambda *options: kimchi("vm", "create", "web", "--template", "deb", *options, status=0)


def listed(kimchi, *keys):
    found = kimchi("vm", "snapshot", "list", "web", "-o", "json", status=0).json
    return [tuple(each[key] for key in keys) if len(keys) > 1 else each[keys[0]] for each in found]


@pytest.mark.parametrize("options", [(), ("--start",), ("--firmware", "uefi")], ids=["off", "running", "uefi"])
def test_a_snapshot_is_taken_gone_back_to_and_deleted(create, kimchi, options):
    create(*options)
    state = kimchi("vm", "show", "web", "-o", "json").json["state"]
    kimchi("vm", "snapshot", "create", "web", "ü <1> & 'x'", "--description", "a\nb", status=0)
    kimchi("vm", "edit", "web", "--title", "changed since", status=0)
    kimchi("vm", "snapshot", "revert", "web", "ü <1> & 'x'", "--yes", status=0)
    shown = kimchi("vm", "show", "web", "-o", "json").json
    assert (shown["state"], shown["title"]) == (state, None)
    assert listed(kimchi, "name", "description", "current") == [("ü <1> & 'x'", "a\nb", True)]
    kimchi("vm", "snapshot", "delete", "web", "ü <1> & 'x'", "--yes", status=0)
    assert listed(kimchi, "name") == []


def test_the_tree_shows_what_descends_from_what(create, kimchi):
    create()
    for name in ("a", "b"):
        kimchi("vm", "snapshot", "create", "web", name, status=0)
    kimchi("vm", "snapshot", "revert", "web", "a", "--yes", status=0)
    kimchi("vm", "snapshot", "create", "web", status=0)
    assert listed(kimchi, "tree", "parent") == [("a", None), ("  b", "a"), ("  snapshot-1", "a")]
    assert kimchi("vm", "snapshot", "current", "web", "-o", "name", status=0).out == "snapshot-1\n"
    assert kimchi("vm", "snapshot", "show", "web", "b", "-o", "json", status=0).json["state"] == "shutoff"
    kimchi("vm", "snapshot", "delete", "web", "a", "--children", "--yes", status=0)
    assert listed(kimchi, "name") == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--disk", "size=1G,format=raw"), "raw"),
        (("--disk", "none"), "no disk"),
        (("--firmware", "uefi", "--start"), "UEFI"),
    ],
    ids=["raw", "no disk", "running uefi"],
)
def test_what_cannot_have_one_is_refused_with_the_reason(create, kimchi, options, reason):
    create(*options)
    assert reason in kimchi("vm", "snapshot", "create", "web", status=4).err
    assert listed(kimchi, "name") == []


@pytest.mark.parametrize("options", [(), ("--start",)], ids=["of-disks", "of-memory"])
def test_saved_memory_would_meet_disks_that_went_back(create, kimchi, host, options):
    create(*options)
    kimchi("vm", "snapshot", "create", "web", "then", status=0)
    kimchi("vm", "start", "web", status=0)
    host.run(["virsh", "managedsave", "web"])
    refused = kimchi("vm", "snapshot", "revert", "web", "then", status=4).err  # before it asks
    assert "'web' has saved memory and cannot go back to snapshot 'then'" in refused
    assert "kimchictl vm edit web --drop-saved" in refused
    kimchi("vm", "edit", "web", "--drop-saved", status=0)
    kimchi("vm", "snapshot", "revert", "web", "then", "--yes", status=0)


def test_names_and_consent_are_asked_for(create, kimchi):
    create()
    kimchi("vm", "snapshot", "create", "web", "a", status=0)
    kimchi("vm", "snapshot", "create", "web", "a", status=4)
    kimchi("vm", "snapshot", "create", "web", "../x", status=4)
    kimchi("vm", "snapshot", "revert", "web", "a", status=2)
    kimchi("vm", "snapshot", "delete", "web", "a", status=2)
    kimchi("vm", "snapshot", "revert", "web", "b", "--yes", status=3)
    kimchi("vm", "snapshot", "delete", "web", "b", "--yes", "--missing-ok", status=0)
    assert listed(kimchi, "name") == ["a"]


@pytest.fixture
def external(create, host, active_pool):
    """Takes an external snapshot of `web`, as virsh does; True where libvirt goes back to one."""
    create()
    connection = libvirt.open(host.uri)

    def take(name):
        disk = f"<disk name='vda' snapshot='external'><source file='{active_pool}/over-{name}'/></disk>"
        document = f"<domainsnapshot><name>{name}</name><disks>{disk}</disks></domainsnapshot>"
        connection.lookupByName("web").snapshotCreateXML(document, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        return connection.getLibVersion() >= 9_009_000

    yield take
    connection.close()


def test_an_external_one_of_another_tool_is_listed_and_not_gone_back_to(external, kimchi):
    new = external("e")
    assert listed(kimchi, "name", "kind", "disks") == [("e", "external", ["vda"])]
    if not new:
        assert "9.9" in kimchi("vm", "snapshot", "revert", "web", "e", "--yes", status=4).err


def test_external_ones_are_deleted_from_the_end_and_mixed_with_none(external, kimchi, active_pool):
    external("e")
    if not external("f"):
        assert "'f'" in kimchi("vm", "snapshot", "delete", "web", "e", "--yes", status=4).err
    assert "mixes up" in kimchi("vm", "snapshot", "create", "web", status=4).err
    kimchi("vm", "snapshot", "delete", "web", "f", "--yes", status=0)
    kimchi("vm", "snapshot", "delete", "web", "e", "--yes", status=0)
    assert [path.name for path in active_pool.iterdir()] == ["web.qcow2"]


def test_what_an_external_one_would_take_with_it_is_not_lost(external, kimchi, host):
    external("e")
    connection = libvirt.open(host.uri)
    connection.lookupByName("web").snapshotCreateXML("<domainsnapshot><name>inside</name></domainsnapshot>")
    connection.close()
    assert "'inside' is kept" in kimchi("vm", "snapshot", "delete", "web", "e", "--yes", status=4).err
    assert listed(kimchi, "name") == ["e", "inside"]


def write(path, number):
    """Writes that byte to the beginning of the image."""
    subprocess.run(["qemu-io", "-c", f"write -P {number} 0 64k", path], check=True, capture_output=True)


def holds(path, number):
    """Whether that is the byte at the beginning of the image."""
    read = ["qemu-io", "-U", "-r", "-c", f"read -P {number} 0 64k", path]
    return b"Pattern verification failed" not in subprocess.run(read, check=True, capture_output=True).stdout


def test_an_internal_one_below_an_external_one_goes_while_the_vm_is_off(external, kimchi, active_pool):
    write(active_pool / "web.qcow2", 1)
    kimchi("vm", "snapshot", "create", "web", "a", status=0)
    write(active_pool / "web.qcow2", 2)
    external("e")
    write(active_pool / "over-e", 3)
    assert "'e', one of them" in kimchi("vm", "snapshot", "delete", "web", "a", "--children", "--yes", status=4).err
    assert "'e', taken after it" in kimchi("vm", "snapshot", "revert", "web", "a", "--yes", status=4).err
    kimchi("vm", "start", "web", status=0)
    assert "vm stop web" in kimchi("vm", "snapshot", "delete", "web", "a", "--yes", status=4).err
    kimchi("vm", "stop", "web", "--force", status=0)
    kimchi("vm", "snapshot", "delete", "web", "a", "--yes", status=0)
    assert listed(kimchi, "name") == ["e"]
    assert holds(active_pool / "web.qcow2", 2) and holds(active_pool / "over-e", 3)
    inside = subprocess.run(["qemu-img", "snapshot", "-l", active_pool / "web.qcow2"], check=True, capture_output=True)
    assert inside.stdout == b""


@pytest.mark.parametrize("options", [(), ("--start",)], ids=["off", "running"])
def test_a_full_pool_takes_no_snapshot_and_the_guest_goes_on(active_pool, create, kimchi, host, tmp_path, options):
    small = tmp_path / "small"
    small.mkdir()
    host.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", small], check=True)
    kimchi("pool", "create", "small", "--path", small, "--start", status=0)
    create("--pool", "small", *options)
    if not options:
        host.run(["dd", "if=/dev/zero", f"of={small}/other", "bs=64k"], capture_output=True)
    said = kimchi("vm", "snapshot", "create", "web", "a", status=1).err
    state = kimchi("vm", "show", "web", "-o", "json", status=0).json["state"]
    assert state == ("running" if options else "shutoff") and f"nothing was taken, and vm 'web' is {state}" in said
    assert "make room in pool 'small'" in said and ("may run full" in said) == bool(options)
    assert listed(kimchi, "name") == []


INTERRUPTED = """
import os, signal, sys, threading, time, libvirt
from kimchictl import cli
where, name, sign = getattr(libvirt, sys.argv.pop(1)), sys.argv.pop(1), int(sys.argv.pop(1))
real = getattr(where, name)
def call(*given):
    threading.Thread(target=lambda: (time.sleep(0.02), os.kill(os.getpid(), sign)), daemon=True).start()
    return real(*given), time.sleep(1)
setattr(where, name, call)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_interrupted_is_done_by_libvirt_and_the_guest_runs_on(create, kimchi, sign):
    create("--start")
    verbs = {"create": "virDomain snapshotCreateXML", "revert": "virDomain revertToSnapshot"}
    for verb, where in (*verbs.items(), ("delete", "virDomainSnapshot delete")):
        words = ("vm", "snapshot", verb, "web", "a", *(("--yes",) if verb != "create" else ()))
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, *where.split(), str(int(sign)), *words], capture_output=True, text=True
        )
        assert done.returncode == (-9 if sign == signal.SIGKILL else 128 + sign)
        assert ("libvirt goes on with it; see kimchictl vm snapshot list web" in done.stderr) == (
            sign != signal.SIGKILL
        )
        until(lambda left=verb != "delete": listed(kimchi, "name") == ["a"] * left)
        until(lambda: kimchi("vm", "show", "web", "-o", "json", status=0).json["state"] == "running")


def until(holds):
    """A command that is gone leaves libvirt at work."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("options", [(), ("--start",)], ids=["off", "running"])
def test_one_that_is_left_in_a_disk_is_named_before_a_second_one_has_its_name(create, kimchi, active_pool, options):
    disk = active_pool / "web.qcow2"
    create()
    for left in ("a", "snapshot-1"):
        subprocess.run(["qemu-img", "snapshot", "-c", left, disk], check=True)
    if options:
        kimchi("vm", "start", "web", status=0)
    refused = kimchi("vm", "snapshot", "create", "web", "a", status=4).err
    assert f"{disk} holds a snapshot 'a' already" in refused and f"qemu-img snapshot -d a {disk}" in refused
    kimchi("vm", "snapshot", "create", "web", status=0)
    assert listed(kimchi, "name") == ["snapshot-2"]
