"""Devices that were being changed when their command, or libvirtd, was interrupted."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import libvirt
import pytest

from kimchictl.actions.vms.create.plan_vm import Login
from kimchictl.actions.vms.devices import vm_media
from kimchictl.actions.vms.devices.vm_disks import NewDisk, attach_disk
from kimchictl.errors import Disconnected
from kimchictl.virt.connection import open_host
from kimchictl.virt.domain import devices
from kimchictl.virt.storage import volumes
from lab.images import make_image


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """A VM `web` with one disk and a medium, in an active pool, whose directory it is."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--disk", "size=1G", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    return active_pool


ATTACH = ("vm", "disk", "attach", "web", "--size", "1G")


def sources(kimchi):
    shown = kimchi("vm", "disk", "list", "web", "-o", "json", status=0).json
    return [disk["source"] for disk in shown if disk["device"] == "disk"]


def then(monkeypatch, where, name, act):
    """`act` happens right after that function is done, the first time."""
    real, done = getattr(where, name), []

    def call(*given, **more):
        result = real(*given, **more)
        if not done:
            done.append(act())
        return result

    monkeypatch.setattr(where, name, call)


def left():
    """The notes of what is not finished."""
    notes = Path(os.environ["KIMCHI_STATE_DIR"], "creating")
    return os.listdir(notes) if notes.exists() else []


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_a_disk_that_is_attached_when_its_attaching_is_interrupted_keeps_its_volume(
    web, kimchi, host, monkeypatch, running
):
    if running:
        kimchi("vm", "start", "web", status=0)
    then(monkeypatch, libvirt.virDomain, "attachDeviceFlags", interrupt)
    with open_host(host.uri) as ours, pytest.raises(KeyboardInterrupt):
        attach_disk(ours, "web", NewDisk(size=1 << 30), state_dir=os.environ["KIMCHI_STATE_DIR"])
    assert sources(kimchi) == [str(web / "web.qcow2"), str(web / "web-1.qcow2")] and left() == []
    kimchi(*ATTACH, status=0)
    assert set(sources(kimchi)) == {str(web / name) for name in os.listdir(web)} and len(os.listdir(web)) == 3


def test_an_interrupted_attach_leaves_no_volume_without_its_disk(web, kimchi, monkeypatch):
    then(monkeypatch, volumes, "create_volume", interrupt)
    kimchi(*ATTACH, status=130)
    assert {*sources(kimchi)} == {str(web / name) for name in os.listdir(web)} and left() == []


def test_an_attach_that_fails_leaves_no_volume(web, kimchi, monkeypatch):
    def refuse(*given):
        raise libvirt.libvirtError("no")

    monkeypatch.setattr(libvirt.virDomain, "attachDeviceFlags", refuse)
    kimchi(*ATTACH, status=1)
    assert os.listdir(web) == ["web.qcow2"] and left() == []


def test_what_a_vm_has_though_nobody_said_so_stays(web, kimchi, host, monkeypatch):
    def lose():
        raise Disconnected("the connection to libvirt broke")

    then(monkeypatch, devices, "attach", lose)
    said = []
    with open_host(host.uri, note=said.append) as ours, pytest.raises(Disconnected):
        attach_disk(ours, "web", NewDisk(size=1 << 30), state_dir=os.environ["KIMCHI_STATE_DIR"])
    assert "pool:default/web-1.qcow2 stays: vm 'web' has it" in said[0]
    assert sources(kimchi) == [str(web / "web.qcow2"), str(web / "web-1.qcow2")]


def test_what_libvirt_may_still_attach_stays(web, kimchi, monkeypatch):
    kimchi("vm", "start", "web", status=0)
    monkeypatch.setattr("kimchictl.virt.deadlines.MONITOR_PATIENCE", 0.2)
    monkeypatch.setattr(libvirt.virDomain, "attachDeviceFlags", lambda *given: time.sleep(0.5))
    assert "pool:default/web-1.qcow2 stays" in kimchi(*ATTACH, status=8).err
    assert sorted(os.listdir(web)) == ["web-1.qcow2", "web.qcow2"] and left() == []


KILLED = """
import os, signal, sys
import libvirt
from kimchictl import cli
from kimchictl.virt import secrets
from kimchictl.virt.storage import volumes
where, name = {
    "making": (volumes, "find_both"),
    "made": (libvirt.virDomain, "attachDeviceFlags"),
    "attached": (libvirt.virDomain, "XMLDesc"),
    "inserting": (libvirt.virDomain, "updateDeviceFlags"),
}[sys.argv[1]]
attach = libvirt.virDomain.attachDeviceFlags
die = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "attached":
    libvirt.virDomain.attachDeviceFlags = lambda *given: (attach(*given), die())
else:
    setattr(where, name, die)
cli.main(sys.argv[2:])
"""


def killed(where, *argv):
    done = subprocess.run([sys.executable, "-c", KILLED, where, *map(str, argv)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("where", ["making", "made"])
@pytest.mark.parametrize("next_one", [ATTACH, ("vm", "create", "db", "--template", "deb"), ("vm", "clone", "web")])
def test_what_a_killed_attach_made_goes_with_what_is_made_next(web, kimchi, where, next_one):
    killed(where, *ATTACH)
    assert sorted(os.listdir(web)) == ["web-1.qcow2", "web.qcow2"]
    said = kimchi(*next_one, status=0).err
    assert "pool:default/web-1.qcow2 deleted: it was left from an attach that broke off" in said
    assert len(os.listdir(web)) == 2 and left() == []


def test_what_a_killed_attach_attached_stays(web, kimchi):
    killed("attached", *ATTACH)
    subprocess.run(["qemu-io", "-c", "write 0 64k", web / "web-1.qcow2"], check=True, capture_output=True)
    assert "web-1.qcow2" not in kimchi(*ATTACH, status=0).err
    assert len(sources(kimchi)) == 3 and left() == []


def test_what_was_written_since_it_was_attached_is_not_taken_for_what_is_left(web, kimchi):
    killed("attached", *ATTACH)
    subprocess.run(["qemu-io", "-c", "write 0 64k", web / "web-1.qcow2"], check=True, capture_output=True)
    kimchi("vm", "disk", "detach", "web", "vdb", status=0)
    assert "it is not certain, and stays" in kimchi(*ATTACH, status=0).err
    assert (web / "web-1.qcow2").exists() and sources(kimchi)[1] == str(web / "web-2.qcow2")


@pytest.fixture
def url(kimchi, tmp_path, monkeypatch):
    """A URL to whose server there is a login."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password geheim\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("KIMCHICTL_NET_NETRC", str(tmp_path / "netrc"))
    return "http://127.0.0.1:9/a.iso"


def secrets_there(host):
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        return [secret.usageID() for secret in connection.listAllSecrets()]


def test_a_medium_that_is_in_when_the_command_is_interrupted_keeps_its_password(web, kimchi, host, monkeypatch, url):
    then(monkeypatch, libvirt.virDomain, "updateDeviceFlags", interrupt)
    with open_host(host.uri) as ours, pytest.raises(KeyboardInterrupt):
        vm_media.insert(ours, "web", url, login=Login("127.0.0.1:9", "somebody", "geheim"))
    (usage,) = secrets_there(host)
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        assert usage in connection.lookupByName("web").XMLDesc()
    kimchi("vm", "cdrom", "eject", "web", status=0)
    assert secrets_there(host) == []


def test_the_password_that_a_killed_insert_left_goes_with_the_next_one(web, kimchi, host, url, tmp_path):
    killed("inserting", "vm", "cdrom", "insert", "web", url, "--no-check")
    assert len(secrets_there(host)) == 1
    assert "deleted" in kimchi("vm", "cdrom", "insert", "web", tmp_path / "deb.iso", status=0).err
    assert secrets_there(host) == []


def gone_off(monkeypatch, host):
    """The guest powers itself off right before the hypervisor is asked to change a device."""
    real = devices.answered

    def call(name, work):
        with contextlib.closing(libvirt.open(host.uri)) as connection:
            if connection.lookupByName(name).isActive():
                connection.lookupByName(name).destroy()
        return real(name, work)

    monkeypatch.setattr(devices, "answered", call)


@pytest.mark.parametrize("words", ["cdrom eject web", "disk attach web --size 1G", "disk detach web vdb"])
def test_a_guest_that_powers_itself_off_at_that_moment_is_off(web, kimchi, host, monkeypatch, words):
    kimchi(*ATTACH, status=0)
    kimchi("vm", "start", "web", status=0)
    gone_off(monkeypatch, host)
    kimchi("vm", *words.split(), status=0)
    assert len(sources(kimchi)) == {"attach": 3, "eject": 2, "detach": 1}[words.split()[1]]


# -- what others need, and what there is


def test_a_pool_that_may_run_full_is_noted(web, kimchi):
    assert "pool 'default' may run full" in kimchi(*ATTACH[:-1], "900T", status=0).err
    clone = ("vm", "clone", "web", "--dry-run")  # both get new disks where it is linked
    for more, size in (((), "900.0 TiB"), (("--linked",), "1.8 PiB")):
        assert f"pool 'default' may run full: it may need {size}" in kimchi(*clone, *more, status=0).err


def test_what_templates_make_disks_upon_is_attached_to_be_read_only(web, kimchi, tmp_path):
    kimchi("volume", "create", "default", "golden.qcow2", "--size", "1G", status=0)
    golden, small = "pool:default/golden.qcow2", ("--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "g", "--image", golden, *small, status=0)
    for source in (golden, web / "golden.qcow2"):
        refused = kimchi("vm", "disk", "attach", "web", source, "--shared", status=4).err
        assert "in use by template 'g'" in refused and "hint: --readonly attaches it" in refused
    kimchi("vm", "disk", "attach", "web", golden, "--readonly", status=0)


def test_the_hint_for_what_backs_other_disks_works(web, kimchi):
    kimchi("volume", "create", "default", "base.qcow2", "--size", "1G", status=0)
    kimchi("volume", "create", "default", "top.qcow2", "--backing", "base.qcow2", status=0)
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)
    kimchi("vm", "disk", "attach", "db", "pool:default/top.qcow2", status=0)
    kimchi("vm", "start", "db", status=0)
    attach = ("vm", "disk", "attach", "web", "pool:default/base.qcow2")
    refused = kimchi(*attach, status=4).err
    assert "backs pool:default/top.qcow2" in refused and "hint: --readonly attaches it" in refused
    kimchi(*attach, "--readonly", status=0)


def test_the_disk_of_a_vm_is_no_medium(web, kimchi):
    kimchi("vm", "create", "db", "--template", "deb", status=0)
    for vm in ("db", "web"):
        for source in ("pool:default/web.qcow2", web / "web.qcow2"):
            refused = kimchi("vm", "cdrom", "insert", vm, source, status=4).err
            assert "is a disk of vm 'web', and no medium" in refused
    kimchi("vm", "delete", "web", "--yes", status=0)
    assert os.listdir(web) == ["db.qcow2"]
