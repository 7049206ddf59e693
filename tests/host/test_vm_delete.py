"""The bill of a deletion: what goes with a VM, and what stays."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import libvirt
import pytest

from kimchictl import cli
from kimchictl.errors import HostError
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


def test_a_dry_run_prints_the_bill_and_deletes_nothing(web, kimchi):
    pool = web("--start")
    shown = kimchi("vm", "delete", "web", "--dry-run", status=0)
    assert "pool:default/web.qcow2 (" in shown.out and "deb.iso: a medium" in shown.out
    (bill,) = kimchi("vm", "delete", "web", "--dry-run", "-o", "json", "-q", status=0).json
    assert (bill["name"], bill["running"], bill["persistent"]) == ("web", True, True)
    assert [(each["kind"], each["pool"], each["volume"]) for each in bill["goes"]] == [("disk", "default", "web.qcow2")]
    assert [(each["kind"], each["why"]) for each in bill["stays"]] == [("medium", "a medium")]
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "list", "-o", "name").out == "web\n"


def test_disks_of_the_next_start_and_of_this_run_alone_go_too(web, kimchi, host):
    pool = web("--start")
    kimchi("vm", "disk", "attach", "web", "--size", "1G", "--next-start", status=0)
    kimchi("volume", "create", "default", "live.img", "--size", "1M", "--format", "raw", status=0)
    host.run(["virsh", "attach-disk", "web", str(pool / "live.img"), "vdz", "--live"])
    goes = bill(kimchi("vm", "delete", "web", "--yes", status=0))["goes"]
    names = ["pool:default/web.qcow2", "pool:default/live.img", "pool:default/web-1.qcow2"]
    assert [line.partition(" (")[0] for line in goes] == names and os.listdir(pool) == []


def test_firmware_variables_that_another_vm_has_too_stay(web, kimchi, host):
    web("--firmware", "uefi", "--start")
    kimchi("vm", "stop", "web", "--force", status=0)
    kimchi("vm", "create", "db", "--template", "deb", "--firmware", "uefi", status=0)
    path = "/var/lib/libvirt/qemu/nvram/web_VARS.fd"
    connection = libvirt.open(host.uri)
    document = connection.lookupByName("db").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    connection.defineXML(document.replace("</os>", f"<nvram>{path}</nvram></os>"))
    connection.close()
    done = bill(kimchi("vm", "delete", "web", "--yes", status=0))
    assert f"{path}: the variables of its firmware, used by db" in done["stays"]
    assert not any("variables" in line for line in done["goes"])
    assert os.listdir(host.root / "lib/qemu/nvram") == ["web_VARS.fd"]


def test_what_libvirt_does_not_permit_is_said_as_it_is(web, kimchi, monkeypatch):
    pool = web()

    def refuse(*_):
        raise HostError("access denied")

    monkeypatch.setattr("kimchictl.actions.vms.remove_vm.undefine_vm", refuse)
    assert kimchi("vm", "delete", "web", "--yes", status=5).err.splitlines()[-1] == "kimchictl: error: access denied"
    assert os.listdir(pool) == ["web.qcow2"] and notes() == []


def test_of_a_file_that_is_missing_the_bill_says_so(web, kimchi, tmp_path):
    pool = web()
    (pool / "web.qcow2").unlink()
    stays = bill(kimchi("vm", "delete", "web", "--yes", status=0))["stays"]
    assert f"{pool}/web.qcow2: it is missing: pool 'default' has no such file" in stays


def test_of_several_one_that_cannot_be_deleted_stops_no_other(web, kimchi, monkeypatch):
    pool, real = web(), libvirt.virDomain.undefineFlags
    kimchi("vm", "create", "db", "--template", "deb", status=0)

    def undefine(domain, flags):
        if domain.name() == "web":
            raise libvirt.libvirtError("no")
        return real(domain, flags)

    monkeypatch.setattr(libvirt.virDomain, "undefineFlags", undefine)
    kimchi("vm", "delete", "web", "db", "--yes", status=7)
    kimchi("vm", "delete", "web", "--yes", status=1)
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "list", "-o", "name").out == "web\n"
    assert os.listdir(Path(os.environ["KIMCHI_STATE_DIR"], "creating")) == []


# ---- others at the same VM -------------------------------------------------------------------------------------------


def meanwhile(monkeypatch, what):
    """`what()` is done right before libvirt is asked to undefine."""
    real = libvirt.virDomain.undefineFlags

    def undefine(domain, flags):
        monkeypatch.setattr(libvirt.virDomain, "undefineFlags", real)
        what()
        return real(domain, flags)

    monkeypatch.setattr(libvirt.virDomain, "undefineFlags", undefine)


def test_one_that_was_made_anew_under_its_name_stays_with_its_disks(web, kimchi, host, monkeypatch):
    pool = web()

    def anew():
        host.run(["virsh", "undefine", "web", "--remove-all-storage"])
        assert cli.main(["vm", "create", "web", "--template", "deb"]) == 0

    meanwhile(monkeypatch, anew)
    refused = kimchi("vm", "delete", "web", "--yes", status=4).err
    assert "vm 'web' is another one by now, and stays" in refused and "vm 'web' deleted" not in refused
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "show", "web", status=0)


def test_what_somebody_else_undefined_keeps_its_disks(web, kimchi, host, monkeypatch):
    pool = web()
    meanwhile(monkeypatch, lambda: host.run(["virsh", "undefine", "web"]))
    assert "somebody else deleted it meanwhile" in kimchi("vm", "delete", "web", "--yes", status=3).err
    assert os.listdir(pool) == ["web.qcow2"]
    kimchi("vm", "create", "db", "--template", "deb", status=0)
    assert sorted(os.listdir(pool)) == ["db.qcow2", "web.qcow2"]


def test_one_that_is_started_after_the_bill_is_not_deleted(web, kimchi, host, monkeypatch):
    pool = web()
    monkeypatch.setattr("kimchictl.app.App.confirm", lambda *_: host.run(["virsh", "start", "web"]))
    assert "has changed meanwhile" in kimchi("vm", "delete", "web", "--yes", status=4).err
    assert os.listdir(pool) == ["web.qcow2"] and kimchi("vm", "show", "web", "-o", "json").json["state"] == "running"


def test_one_that_is_started_at_the_last_moment_is_off_before_its_disks_go(web, kimchi, host, monkeypatch):
    pool = web()
    meanwhile(monkeypatch, lambda: host.run(["virsh", "start", "web"]))
    assert "'web' was started meanwhile, and was powered off" in kimchi("vm", "delete", "web", "--yes", status=0).err
    assert os.listdir(pool) == [] and kimchi("vm", "list", "-o", "name").out == ""


@pytest.mark.parametrize("what", ["taken", "made anew"])
def test_a_disk_that_is_another_s_at_the_last_moment_stays(web, kimchi, host, monkeypatch, what):
    pool = web()
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)

    def act():
        if what == "taken":
            host.run(["virsh", "attach-disk", "db", str(pool / "web.qcow2"), "vda", "--config"])
        else:
            (pool / "web.qcow2").write_bytes(b"something else")

    meanwhile(monkeypatch, act)
    failed = kimchi("vm", "delete", "web", "--yes", status=1).err
    assert "not all that was its own: pool:default/web.qcow2" in failed and os.listdir(pool) == ["web.qcow2"]


# ---- what a kill leaves ----------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from kimchictl import cli
from kimchictl.actions.vms import remove_vm
real, where = remove_vm.undefine_vm, sys.argv.pop(1)
remove_vm.undefine_vm = lambda *given: (where == "after" and real(*given), os.kill(os.getpid(), signal.SIGKILL))
cli.main(sys.argv[1:])
"""


def killed(where):
    """A deletion of `web` that is killed right before or after the VM is undefined."""
    words = [sys.executable, "-c", KILLED, where, "vm", "delete", "web", "--yes"]
    assert subprocess.run(words, capture_output=True).returncode == -signal.SIGKILL


def notes():
    return os.listdir(Path(os.environ["KIMCHI_STATE_DIR"], "creating"))


NEXT = ["create web --template deb", "clone db", "delete db --yes", "delete web --missing-ok"]


@pytest.mark.parametrize("verb", NEXT)
def test_what_a_killed_delete_left_goes_with_the_next_verb(web, kimchi, verb):
    pool = web()
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)
    killed("after")
    assert os.listdir(pool) == ["web.qcow2"] and len(notes()) == 1
    said = kimchi("vm", *verb.split(), status=0).err
    assert "pool:default/web.qcow2 deleted: it was left from vm 'web', whose deletion was killed" in said
    assert os.listdir(pool) == (["web.qcow2"] if "create" in verb else []) and notes() == []


@pytest.mark.parametrize("use", ["written", "attached", "base"])
def test_what_a_killed_delete_left_stays_when_somebody_has_made_it_theirs(web, kimchi, host, use):
    pool = web()
    kimchi("vm", "create", "db", "--template", "deb", "--disk", "none", status=0)
    killed("after")
    if use == "written":
        subprocess.run(["qemu-io", "-c", "write 0 1M", pool / "web.qcow2"], check=True, capture_output=True)
    elif use == "attached":
        host.run(["virsh", "attach-disk", "db", str(pool / "web.qcow2"), "vda", "--config", "--subdriver", "qcow2"])
    else:
        system = ("--os-distro", "debian", "--os-version", "12")
        kimchi("template", "create", "cloud", "--image", "pool:default/web.qcow2", *system, status=0)
    said = kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert "left from vm 'web', whose deletion was killed: pool:default/web.qcow2" in said
    assert sorted(os.listdir(pool)) == ["web-1.qcow2", "web.qcow2"] and notes() == []


def test_a_delete_that_was_killed_before_the_vm_was_gone_leaves_all_of_it(web, kimchi, host):
    pool = web()
    killed("before")
    assert kimchi("vm", "create", "db", "--template", "deb", status=0).err == "vm 'db' created\n" and notes() == []
    host.run(["virsh", "undefine", "web"])
    kimchi("vm", "delete", "db", "--yes", status=0)
    assert os.listdir(pool) == ["web.qcow2"]


def test_what_is_not_sound_in_a_note_is_left_alone(web, kimchi):
    pool = web()
    killed("after")
    (path,) = Path(os.environ["KIMCHI_STATE_DIR"], "creating").iterdir()
    record = json.loads(path.read_bytes())
    for wrong in ({"files": [{"pool": "default"}]}, {"files": 1}, {"uuid": None}, {"secrets": [1]}, {"files": [[]]}):
        path.write_text(json.dumps({**record, **wrong}))
        kimchi("vm", "delete", "nosuch", "--missing-ok", status=0)
        assert os.listdir(pool) == ["web.qcow2"] and path.exists(), wrong
