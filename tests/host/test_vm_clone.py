"""VMs copied, in full and linked."""

import os
import subprocess
import sys

import libvirt
import pytest

from kimchictl.actions.vms import clone_vm
from kimchictl.errors import Failed
from kimchictl.virt import xml
from lab.images import make_image

SECOND = [sys.executable, "-m", "kimchictl", "vm", "clone", "web", "two", "--linked"]
LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """Makes the VM `web` with these options."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--vcpus", "1", "--network", "default", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)

    def make(*options):
        kimchi("vm", "create", "web", "--template", "deb", *options, status=0)
        return active_pool

    return make


def shown(kimchi, name):
    return kimchi("vm", "show", name, "-o", "json", status=0).json


def write(path, at, text):
    subprocess.run(["qemu-io", "-c", f"write -P {ord(text)} {at} 512", path], check=True, stdout=subprocess.DEVNULL)


def holds(path, at, text):
    done = subprocess.run(
        ["qemu-io", "-r", "-c", f"read -P {ord(text)} {at} 512", path], capture_output=True, text=True
    )
    return done.returncode == 0 and "verification failed" not in done.stdout


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_a_full_clone_has_disks_and_an_identity_of_its_own(web, kimchi, small_raw_disk, form):
    pool = web("--disk", "none" if form == "raw" else "size=1G", "--title", "a & b")
    if form == "raw":
        small_raw_disk("web")
    name = "web.qcow2" if form == "qcow2" else "web.img"
    write(pool / name, 0, "x")
    kimchi("vm", "clone", "web", status=0)
    web_, clone = shown(kimchi, "web"), shown(kimchi, "web-clone1")
    assert clone["title"] == "a & b" and clone["template"] == "deb"
    assert clone["uuid"] != web_["uuid"] and clone["nics"][0]["mac"] != web_["nics"][0]["mac"]
    disk = next(each for each in clone["disks"] if each["device"] == "disk")
    assert disk["source"] == str(pool / name.replace("web", "web-clone1")) and disk["backing"] == []
    assert holds(disk["source"], 0, "x")
    kimchi("vm", "start", "web-clone1", status=0)


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_linked_clones_share_what_was_and_keep_their_changes(web, kimchi, form):
    pool = web("--disk", f"size=1G,format={form}")
    base = pool / ("web.qcow2" if form == "qcow2" else "web.img")
    write(base, 0, "x")
    kimchi("vm", "clone", "web", "test", "--linked", status=0)
    sources = [shown(kimchi, name)["disks"][0]["source"] for name in ("web", "test")]
    assert str(base) not in sources and len(set(sources)) == 2
    write(sources[0], 512, "y")
    assert [holds(path, 0, "x") for path in sources] == [True, True]
    assert not holds(sources[1], 512, "y") and not holds(base, 512, "y") if form == "qcow2" else True
    kimchi("vm", "clone", "test", "alone", status=0)
    assert kimchi("volume", "show", "default", "alone.qcow2", "-o", "json", status=0).json["backing"] is None
    kimchi("vm", "start", "web", "test", status=0)
    assert base.name in kimchi("vm", "delete", "test", "--yes", status=0).err
    assert base.exists() and not os.path.exists(sources[1])
    kimchi("volume", "delete", "default", base.name, "--yes", status=4)


@pytest.mark.parametrize("options", [(), ("--linked",)])
def test_firmware_variables_are_copied_and_tpm_state_is_new(web, kimchi, host, options):
    web("--firmware", "uefi", "--tpm", "--start")
    kimchi("vm", "stop", "web", "--force", status=0)
    variables = host.root / "lib/qemu/nvram"
    with open(variables / "web_VARS.fd", "r+b") as file:  # as a boot entry would stand there
        file.seek(500_000)
        file.write(b"Boot0004")
    kimchi("vm", "clone", "web", "tést <1>", *options, status=0)
    assert kimchi("pool", "list", "-o", "name").out == "default\n"
    kimchi("vm", "start", "tést <1>", status=0)
    assert b"Boot0004" in (variables / "tést <1>_VARS.fd").read_bytes()
    assert len(os.listdir(host.root / "lib/swtpm")) == 2
    kimchi("vm", "delete", "tést <1>", "web", "--yes", status=0)
    assert os.listdir(variables) == [] and os.listdir(host.root / "lib/swtpm") == []


def test_a_vm_that_never_ran_has_no_firmware_variables_to_copy(web, kimchi, host):
    web("--firmware", "uefi")
    assert "boot entries" not in kimchi("vm", "clone", "web", status=0).err
    assert kimchi("pool", "list", "-o", "name").out == "default\n"


def test_what_cannot_be_cloned_is_refused_and_leaves_nothing(web, kimchi, host):
    pool = web()
    before = os.listdir(pool)
    kimchi("vm", "clone", "web", "web", status=4)
    kimchi("vm", "clone", "nosuch", status=3)
    kimchi("vm", "clone", "web", "--pool", "nosuch", status=3)
    kimchi("vm", "clone", "web", "a/b", status=4)
    kimchi("vm", "snapshot", "create", "web", status=0)
    assert "snapshots" in kimchi("vm", "clone", "web", "--linked", status=4).err
    kimchi("vm", "clone", "web", "--dry-run", status=0)
    kimchi("vm", "start", "web", status=0)
    assert "running" in kimchi("vm", "clone", "web", status=4).err
    assert os.listdir(pool) == before and [vm["name"] for vm in kimchi("vm", "list", "-o", "json").json] == ["web"]


def test_saved_memory_would_go_on_with_disks_that_others_read(web, kimchi, host):
    pool = web("--start")
    host.run(["virsh", "managedsave", "web"])
    assert "saved memory" in kimchi("vm", "clone", "web", "--linked", status=4).err and len(os.listdir(pool)) == 1
    assert "power cut" in kimchi("vm", "clone", "web", status=0).err


KILLED = """
import os, signal, sys
from kimchictl import cli
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import volumechange, volumes
from kimchictl.actions.vms import clone_vm
from kimchictl.actions.vms.create import unfinished
die = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
where = sys.argv.pop(1)
if where == "made":
    create = volumes.create_volume
    volumes.create_volume = lambda *given: (create(*given), die())
if where == "copied":
    real = volumechange.clone_volume
    volumechange.clone_volume = lambda *given: (real(*given), given[-1](1), die())
if where == "noting":
    unfinished.Note.has = die
if where == "defining":
    domains.define = die
if where == "defined":
    define = clone_vm.define_vm
    clone_vm.define_vm = lambda *given: (define(*given), die())
cli.main(sys.argv[1:])
"""


OPTIONS = [("copied",), ("noting",), ("defining",), ("defining", "--linked"), ("defined",), ("defined", "--linked")]


@pytest.mark.parametrize("options", OPTIONS)
def test_what_a_killed_clone_left_goes_with_the_next_one(web, kimchi, options):
    pool, (where, *options) = web(), options
    subprocess.run([sys.executable, "-c", KILLED, where, "vm", "clone", "web", "test", *options], capture_output=True)
    assert "test.qcow2" in os.listdir(pool)
    said = kimchi("vm", "clone", "web", "test", status=0).err
    assert "test.qcow2 deleted" in said and ("vm 'test' deleted" in said) == (where == "defined")
    own = "web-1.qcow2" if options else "web.qcow2"  # else the guest would write what a linked clone reads
    assert shown(kimchi, "web")["disks"][0]["source"] == str(pool / own)
    assert set(os.listdir(pool)) == {"test.qcow2", "web.qcow2", own}


def test_an_overlay_that_a_killed_clone_had_just_made_goes_with_the_next_one(web, kimchi):
    pool, clone = web(), ("vm", "clone", "web", "test", "--linked")
    subprocess.run([sys.executable, "-c", KILLED, "made", *clone], capture_output=True)
    assert set(os.listdir(pool)) == {"web-1.qcow2", "web.qcow2"}
    assert "web-1.qcow2 deleted" in kimchi("vm", "clone", "web", status=0).err
    assert set(os.listdir(pool)) == {"web-clone1.qcow2", "web.qcow2"}


def meanwhile(monkeypatch, module, name, work):
    """`work` happens just before that function is called, once."""
    real, done = getattr(module, name), []

    def call(*given, **named):
        if not done:
            done.append(work())
        return real(*given, **named)

    monkeypatch.setattr(module, name, call)


def test_a_linked_clone_is_refused_when_another_one_was_quicker(web, kimchi, monkeypatch):
    pool = web()
    meanwhile(monkeypatch, clone_vm, "_one_at_a_time", lambda: subprocess.run(SECOND, check=True))
    assert "was started or changed while it was cloned" in kimchi("vm", "clone", "web", "--linked", status=4).err
    assert set(os.listdir(pool)) == {"web.qcow2", "web-2.qcow2", "two.qcow2"}


def test_two_processes_do_not_link_at_the_same_moment(web, kimchi, monkeypatch):
    pool, second = web(), []
    hurried = [*SECOND, "--lock-timeout", "0s"]
    meanwhile(monkeypatch, clone_vm, "redefine", lambda: second.append(subprocess.run(hurried, capture_output=True)))
    kimchi("vm", "clone", "web", "one", "--linked", status=0)
    assert second[0].returncode == 6 and b"linked clones" in second[0].stderr
    assert set(os.listdir(pool)) == {"web.qcow2", "web-1.qcow2", "one.qcow2"}


def test_a_source_that_is_started_while_it_is_linked_is_left_as_it_was(web, kimchi, monkeypatch):
    pool = web()
    meanwhile(monkeypatch, clone_vm, "redefine", lambda: kimchi("vm", "start", "web", status=0))
    assert "was started" in kimchi("vm", "clone", "web", "--linked", status=4).err
    kimchi("vm", "stop", "web", "--force", status=0)
    assert shown(kimchi, "web")["disks"][0]["source"] == str(pool / "web.qcow2")
    assert os.listdir(pool) == ["web.qcow2"]


def test_a_source_that_is_started_on_its_new_disk_keeps_it(web, kimchi, monkeypatch):
    pool = web()
    meanwhile(monkeypatch, clone_vm, "copied", lambda: kimchi("vm", "start", "web", status=0))
    monkeypatch.setattr(clone_vm, "define_vm", lambda *given: (_ for _ in ()).throw(Failed("no")))
    assert "keeps its new disks" in kimchi("vm", "clone", "web", "--linked", status=1).err
    kimchi("vm", "stop", "web", "--force", status=0)
    assert shown(kimchi, "web")["disks"][0]["source"] == str(pool / "web-1.qcow2")
    assert set(os.listdir(pool)) == {"web.qcow2", "web-1.qcow2"}


def test_a_full_clone_of_a_guest_that_wrote_meanwhile_is_taken_back(web, kimchi, small_raw_disk, monkeypatch):
    pool = web("--disk", "none")
    small_raw_disk("web")
    meanwhile(monkeypatch, clone_vm, "put_image", lambda: write(pool / "web.img", 0, "x"))
    assert "while it was cloned" in kimchi("vm", "clone", "web", status=4).err
    assert os.listdir(pool) == ["web.img"]


@pytest.mark.parametrize("broken", ["<name>web<", "<name>web-clone1<"])
def test_a_clone_that_fails_is_taken_back(web, kimchi, monkeypatch, broken):
    pool = web()
    before = shown(kimchi, "web")["disks"]

    real = libvirt.virConnect.defineXMLFlags

    def fail(connection, document, flags):
        if broken in document:
            raise libvirt.libvirtError("no")
        return real(connection, document, flags)

    monkeypatch.setattr(libvirt.virConnect, "defineXMLFlags", fail)
    assert kimchi("vm", "clone", "web", "--linked").status == 1
    assert os.listdir(pool) == ["web.qcow2"] and shown(kimchi, "web")["disks"] == before


def test_clones_of_one_vm_that_are_made_at_once_have_names_of_their_own(web, kimchi):
    pool = web()
    command = [sys.executable, "-m", "kimchictl", "vm", "clone", "web", "-o", "name"]
    cloning = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    made = sorted(each.communicate()[0].strip() for each in cloning)
    assert made == [f"web-clone{number}" for number in range(1, 5)] and len(os.listdir(pool)) == 5
    assert os.listdir(os.path.join(os.environ["KIMCHI_STATE_DIR"], "creating")) == []


SHARED = """<hostdev mode='subsystem' type='usb' managed='yes'>
<source><vendor id='0x1d6b'/><product id='0x0002'/></source></hostdev>"""


def test_what_the_host_has_only_one_of_is_noted(web, kimchi, host):
    web()
    connection = libvirt.open(host.uri)
    root = xml.parse(connection.lookupByName("web").XMLDesc(0), "web")
    for kind in ("serial", "console"):
        source = {"mode": "bind", "host": "127.0.0.1", "service": "4555"}
        port = root.find(f"devices/{kind}")
        port.set("type", "tcp")
        port.insert(0, xml.Element("source", source))
    root.find("devices").append(xml.parse(SHARED, "a device"))
    connection.defineXML(xml.serialize(root))
    connection.close()
    said = kimchi("vm", "clone", "web", status=0).err
    assert said.count("listens at tcp port 4555 of 127.0.0.1, as with vm 'web'") == 1
    assert "host's usb device 1d6b:0002, as with vm 'web': only one" in said
