"""libvirtd that restarts, or goes away, in the middle of a command."""

import os
import subprocess
import threading

import libvirt
import pytest

from kimchictl.actions.vms import clone_vm
from kimchictl.virt.domain import domains, power
from kimchictl.virt.storage import volumes
from lab.host import PrivateHost
from lab.images import make_image

CONFIGURED = ("--config", "/etc/libvirt/libvirtd.conf", "--pid-file", "/run/libvirt/libvirtd.pid")


@pytest.fixture
def own(kimchi, monkeypatch, tmp_path):
    """A host of this test's own, with a VM `web`."""
    with PrivateHost() as host:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", host.uri)
        kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
        image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
        small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu", "--disk", "size=1G")
        kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
        kimchi("vm", "create", "web", "--template", "deb", status=0)
        yield host


def stop(host):
    gone = 'until ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done'  # else the next one finds its lock taken
    host.run(["sh", "-c", f'pid=$(cat /run/libvirt/libvirtd.pid); kill -9 "$pid"; {gone}'])


def broken_once(monkeypatch, where, name, host, restart):
    """The first call of `name` finds the daemon gone; back again, where it is to `restart`."""
    real, calls = getattr(where, name), []

    def call(*given, **more):
        calls.append(name)
        if len(calls) == 1:
            stop(host)
            if restart:
                host.run(["libvirtd", "-d", *CONFIGURED])
        return real(*given, **more)

    monkeypatch.setattr(where, name, call)


LOOKING = (
    ("vm show web", domains, "read_domain"),
    ("vm list --sort title", libvirt.virDomain, "XMLDesc"),
    ("vm snapshot list web", libvirt.virDomain, "listAllSnapshots"),
    ("volume list default", libvirt.virStoragePool, "listAllVolumes"),
)


def test_what_is_asked_meanwhile_is_asked_once_more(own, kimchi, monkeypatch):
    for command, where, name in LOOKING:
        words = (*command.split(), "-o", "json")
        before = kimchi(*words, status=0).out
        broken_once(monkeypatch, where, name, own, restart=True)
        done = kimchi(*words, status=0)
        assert "once more" in done.err and done.out == before, command
    broken_once(monkeypatch, power, "state_of", own, restart=True)
    assert "once more" in kimchi("vm", "start", "web", status=0).err


def test_what_must_not_be_done_twice_is_not(own, kimchi, monkeypatch):
    kimchi("vm", "start", "web", status=0)
    broken_once(monkeypatch, power, "state_of", own, restart=True)
    assert "once more" in kimchi("vm", "reset", "web", status=0).err  # it was only looked at
    broken_once(monkeypatch, libvirt.virDomain, "reset", own, restart=True)
    failed = kimchi("vm", "reset", "web", status=5).err
    assert "broke" in failed and "once more" not in failed
    assert "vm 'web' is running now" in failed and "hint: see whether it was done: kimchictl vm show web" in failed


def broken(monkeypatch, name, host, done):
    """The answer to the first call of virDomain.`name`, which is `done` or not, is lost: the daemon restarts."""
    real, calls = getattr(libvirt.virDomain, name), []

    def call(domain, *given):
        calls.append(name)
        if len(calls) > 1:
            return real(domain, *given)
        if done:
            real(domain, *given)
        stop(host)
        host.run(["libvirtd", "-d", *CONFIGURED])
        return domain.info() and real(domain, *given)  # over what is no connection any more

    monkeypatch.setattr(libvirt.virDomain, name, call)


def devices(kimchi, kind):
    """What the next start does to each."""
    return [each["pending"] for each in kimchi("vm", kind, "list", "web", "-o", "json", status=0).json]


@pytest.mark.parametrize("done", [True, False])
def test_a_device_is_attached_once_whether_it_was_done_or_not(own, kimchi, monkeypatch, done):
    kimchi("vm", "start", "web", status=0)
    for kind, what, before in (("nic", "user", []), ("disk", "--size=8M", devices(kimchi, "disk"))):
        with monkeypatch.context() as patch:
            broken(patch, "attachDeviceFlags", own, done)
            assert "looking what is left" in kimchi("vm", kind, "attach", "web", what, status=0).err
        there = devices(kimchi, kind)
        assert len(there) == len(before) + 1 and not any(there)


def test_a_change_of_the_definition_is_made_once_more(own, kimchi, monkeypatch):
    with monkeypatch.context() as patch:
        broken_once(patch, libvirt.virConnect, "defineXMLFlags", own, restart=True)
        assert "vm 'web' changed" in kimchi("vm", "edit", "web", "--title", "new", status=0).err
    broken_once(monkeypatch, domains, "note_saved", own, restart=True)  # it is changed by then
    assert "vm 'web' is now as it was to be" in kimchi("vm", "edit", "web", "--boot", "hd", status=0).err


def test_a_medium_is_ejected_and_inserted_all_the_same(own, kimchi, monkeypatch, tmp_path):
    kimchi("vm", "start", "web", status=0)
    for command in (("eject", "web"), ("insert", "web", tmp_path / "deb.iso")):
        with monkeypatch.context() as patch:
            broken(patch, "updateDeviceFlags", own, done=False)
            kimchi("vm", "cdrom", *command, status=0)


def test_a_vm_is_deleted_with_all_that_is_its_own(own, kimchi, monkeypatch, tmp_path):
    broken(monkeypatch, "undefineFlags", own, done=True)
    kimchi("vm", "delete", "web", "--yes", status=0)
    assert os.listdir(tmp_path / "pool") == []


@pytest.mark.parametrize(("where", "name"), [(domains, "define"), (power, "start")])
def test_what_was_being_made_is_taken_back_when_it_is_there_again(own, kimchi, monkeypatch, tmp_path, where, name):
    broken_once(monkeypatch, where, name, own, restart=True)
    assert "broke" in kimchi("vm", "create", "db", "--template", "deb", "--start", status=5).err
    assert os.listdir(tmp_path / "pool") == ["web.qcow2"]
    assert [vm["name"] for vm in kimchi("vm", "list", "-o", "json", status=0).json] == ["web"]


def answer_lost(monkeypatch, where, name, host):
    """The first call of `name` is done, and nobody says so."""
    real, calls = getattr(where, name), []

    def call(*given, **more):
        calls.append(real(*given, **more))
        if len(calls) == 1:
            stop(host)
            host.run(["libvirtd", "-d", *CONFIGURED])
            real(*given, **more)  # over what is no connection any more
        return calls[-1]

    monkeypatch.setattr(where, name, call)


def test_a_vm_that_was_defined_though_nobody_said_so_is_taken_back_too(own, kimchi, monkeypatch, tmp_path):
    answer_lost(monkeypatch, domains, "define", own)
    kimchi("vm", "create", "db", "--template", "deb", status=5)
    assert os.listdir(tmp_path / "pool") == ["web.qcow2"]
    assert kimchi("vm", "list", "-o", "name", status=0).out == "web\n"


def test_the_source_of_a_linked_clone_that_got_new_disks_though_nobody_said_so_has_its_own_again(
    own, kimchi, monkeypatch, tmp_path
):
    answer_lost(monkeypatch, clone_vm, "redefine", own)
    kimchi("vm", "clone", "web", "--linked", status=5)
    assert os.listdir(tmp_path / "pool") == ["web.qcow2"]
    kimchi("vm", "start", "web", status=0)


def test_what_is_to_be_cloned_is_asked_once_more(own, kimchi, monkeypatch):
    broken_once(monkeypatch, domains, "describe", own, restart=True)
    assert "once more" in kimchi("vm", "clone", "web", status=0).err


STEPS = [
    (clone_vm, "clone_volume", ()),
    (clone_vm, "require_as_planned", ()),
    (clone_vm, "make_volume", ("--linked",)),
    (clone_vm, "redefine", ("--linked",)),
    (domains, "define", ()),
    (domains, "define", ("--linked",)),
]


@pytest.mark.parametrize("lost", [True, False], ids=["done", "not-done"])
@pytest.mark.parametrize(("where", "name", "how"), STEPS)
def test_a_clone_is_taken_back_and_the_next_one_is_whole(own, kimchi, monkeypatch, tmp_path, where, name, how, lost):
    with monkeypatch.context() as patch:
        if lost:
            answer_lost(patch, where, name, own)
        else:
            broken_once(patch, where, name, own, restart=True)
        assert "the connection to libvirt broke" in kimchi("vm", "clone", "web", *how, status=5).err
    assert kimchi("vm", "list", "-o", "name", status=0).out == "web\n"
    assert os.listdir(tmp_path / "pool") == ["web.qcow2"]
    kimchi("vm", "clone", "web", *how, status=0)


def killed_in_the_middle(monkeypatch, host):
    """The daemon ends while the guest stands still for its first snapshot, and is back."""
    real, calls = libvirt.virDomain.snapshotCreateXML, []

    def end(domain):
        while domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
            pass
        stop(host)
        host.run(["libvirtd", "-d", *CONFIGURED])

    def call(domain, *given):
        calls.append(given)
        if len(calls) == 1:
            connection = libvirt.open(host.uri)
            ending = threading.Thread(target=end, args=[connection.lookupByName("web")])
            ending.start()
            try:
                return real(domain, *given)
            finally:
                ending.join()
        return real(domain, *given)

    monkeypatch.setattr(libvirt.virDomain, "snapshotCreateXML", call)


def test_a_guest_that_stood_still_for_its_snapshot_runs_on_and_has_it(own, kimchi, monkeypatch, tmp_path):
    kimchi("vm", "edit", "web", "--memory", "2G", status=0)
    kimchi("vm", "start", "web", status=0)
    killed_in_the_middle(monkeypatch, own)
    done = kimchi("vm", "snapshot", "create", "web", "a")
    state = kimchi("vm", "show", "web", "-o", "json", status=0).json["state"]
    if done.status == 4:  # libvirtd could not talk to qemu in the midst of it, and ended the guest
        assert state == "shutoff" and "'web' is shutoff since libvirtd restarted" in done.err
        return
    assert (done.status, state) == (0, "running")
    listed = subprocess.check_output(["qemu-img", "snapshot", "-U", "-l", tmp_path / "pool/web.qcow2"])
    assert listed.count(b" a ") == 1
    kimchi("vm", "snapshot", "revert", "web", "a", "--yes", status=0)


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("done", [True, False])
def test_a_snapshot_is_taken_gone_back_to_and_deleted_once(own, kimchi, monkeypatch, done, running):
    if running:
        kimchi("vm", "start", "web", status=0)
    verbs = (("create", "snapshotCreateXML"), ("revert", "revertToSnapshot"), ("delete", "delete"))
    for left, (verb, call) in zip((1, 1, 0), verbs, strict=True):
        with monkeypatch.context() as patch:
            lost = answer_lost if done else lost_before
            lost(patch, libvirt.virDomainSnapshot if verb == "delete" else libvirt.virDomain, call, own)
            words = ("a", "--yes") if verb != "create" else ("a",)
            assert "looking whether" in kimchi("vm", "snapshot", verb, "web", *words, status=0).err
        assert len(kimchi("vm", "snapshot", "list", "web", "-o", "json", status=0).json) == left
        state = kimchi("vm", "show", "web", "-o", "json", status=0).json["state"]
        assert state == ("running" if running else "shutoff")


def lost_before(monkeypatch, where, name, host):
    """The first call of `name` does not reach the daemon, which restarts."""
    broken_once(monkeypatch, where, name, host, restart=True)


def test_a_snapshot_that_is_half_taken_is_named(own, kimchi, monkeypatch, tmp_path):
    disk, real = tmp_path / "pool/web.qcow2", libvirt.virDomain.snapshotCreateXML

    def half(domain, *given):
        subprocess.run(["qemu-img", "snapshot", "-c", "a", disk], check=True)
        stop(own)
        own.run(["libvirtd", "-d", *CONFIGURED])
        return real(domain, *given)

    monkeypatch.setattr(libvirt.virDomain, "snapshotCreateXML", half)
    assert f"qemu-img snapshot -d a {disk}" in kimchi("vm", "snapshot", "create", "web", "a", status=4).err


def test_what_a_snapshot_is_to_be_of_is_asked_once_more(own, kimchi, monkeypatch):
    broken_once(monkeypatch, libvirt.virDomain, "listAllSnapshots", own, restart=True)
    assert "once more" in kimchi("vm", "snapshot", "create", "web", "a", status=0).err


def test_without_it_nobody_says_that_a_snapshot_was_taken(own, kimchi, monkeypatch):
    monkeypatch.setattr("kimchictl.commands.again._PATIENCE", 0.3)
    monkeypatch.setattr("kimchictl.virt.domain.surely.RETURN_PATIENCE", 0.3)
    broken_once(monkeypatch, libvirt.virDomain, "snapshotCreateXML", own, restart=False)
    failed = kimchi("vm", "snapshot", "create", "web", "a", status=5).err
    assert "how it is now is not known" in failed and "vm show web" in failed
    own.run(["libvirtd", "-d", *CONFIGURED])


def test_a_volume_whose_making_nobody_could_confirm_goes_with_the_next_create(own, kimchi, monkeypatch, tmp_path):
    broken_once(monkeypatch, volumes, "read_volume", own, restart=True)  # it is made by then
    kimchi("vm", "create", "db", "--template", "deb", status=5)
    assert "db.qcow2" in os.listdir(tmp_path / "pool")
    monkeypatch.setattr(
        "kimchictl.actions.vms.create.unfinished.is_abandoned", lambda record: True
    )  # it was this process
    assert "db.qcow2 deleted" in kimchi("vm", "create", "db", "--template", "deb", status=0).err


def test_without_it_the_error_is_clear_and_what_is_left_goes_later(own, kimchi, monkeypatch, tmp_path):
    monkeypatch.setattr("kimchictl.commands.again._PATIENCE", 0.3)
    monkeypatch.setattr("kimchictl.actions.vms.undo._PATIENCE", 0.3)
    broken_once(monkeypatch, domains, "define", own, restart=False)
    failed = kimchi("vm", "create", "db", "--template", "deb")
    assert failed.status == 5 and "db.qcow2" in failed.err
    assert "libvirtd" in kimchi("vm", "list", status=5).err
    assert "db.qcow2" in os.listdir(tmp_path / "pool")
    own.run(["libvirtd", "-d", *CONFIGURED])


def test_the_disks_of_a_vm_that_is_deleted_go_too(own, kimchi, monkeypatch, tmp_path):
    broken_once(monkeypatch, volumes, "delete_volume", own, restart=True)
    done = kimchi("vm", "delete", "web", "--yes", status=0)
    assert "once more" in done.err and "vm 'web' deleted" in done.err and os.listdir(tmp_path / "pool") == []


def test_without_it_a_deletion_says_what_is_left_and_the_next_one_finishes_it(own, kimchi, monkeypatch, tmp_path):
    monkeypatch.setattr("kimchictl.commands.again._PATIENCE", 0.3)
    broken_once(monkeypatch, volumes, "delete_volume", own, restart=False)
    failed = kimchi("vm", "delete", "web", "--yes", status=5).err
    assert "vm 'web' is deleted, pool:default/web.qcow2 not yet: " in failed
    assert "hint: kimchictl vm delete web --missing-ok finishes it" in failed
    own.run(["libvirtd", "-d", *CONFIGURED])
    monkeypatch.setattr("kimchictl.actions.vms.deletion.is_abandoned", lambda record: True)  # it was this process
    said = kimchi("vm", "delete", "web", "--missing-ok", status=0).err
    assert "pool:default/web.qcow2 deleted" in said and os.listdir(tmp_path / "pool") == []
