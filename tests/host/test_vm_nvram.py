"""The firmware variables of UEFI guests: carried whole, and nobody else's."""

import os
import signal
import subprocess
import sys

import pytest

from kimchictl.virt.storage import transientpool, volumestream
from lab.host import PrivateHost
from lab.images import make_image

CONFIGURED = ("--config", "/etc/libvirt/libvirtd.conf", "--pid-file", "/run/libvirt/libvirtd.pid")


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """What a killed process left is not waited for."""
    monkeypatch.setattr(transientpool, "_PATIENCE", 0.1)


@pytest.fixture
def template(kimchi, tmp_path):
    """Makes the template `deb` of UEFI guests."""

    def make():
        image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
        small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu", "--disk", "none")
        kimchi("template", "create", "deb", "--cdrom", image, "--firmware", "uefi", *small, status=0)

    return make


@pytest.fixture
def files(active_pool, host, template):
    """The directory of the variables, on a host with a template `deb`."""
    template()
    there = host.root / "lib/qemu/nvram"
    yield there
    for path in there.iterdir():
        path.unlink()


@pytest.fixture
def web(files, kimchi):
    """The file of a VM `web` that has run, with a boot entry."""
    kimchi("vm", "create", "web", "--template", "deb", "--start", status=0)
    kimchi("vm", "stop", "web", "--force", status=0)
    return mark(files / "web_VARS.fd")


def mark(path):
    with open(path, "r+b") as file:
        file.seek(500_000)
        file.write(b"Boot0004")
    return path


KILLED = """
import os, signal, sys
from kimchictl import cli
from kimchictl.virt.domain import domains, power
from kimchictl.virt.storage import volumestream
where = sys.argv.pop(1)
die = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
if where == "begun":
    volumestream._fill = die
if where == "copied":
    power.rename = domains.define = die
if where == "done":
    rename, define = power.rename, domains.define
    power.rename = lambda *given: (rename(*given), die())
    domains.define = lambda *given: (define(*given), die())
cli.main(sys.argv[1:])
"""


def killed(where, *argv):
    done = subprocess.run([sys.executable, "-c", KILLED, where, *argv], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def names(files):
    return sorted(path.name for path in files.iterdir())


@pytest.mark.parametrize("where", ["begun", "copied", "done"])
def test_a_rename_that_is_killed_leaves_a_vm_with_all_its_variables(web, kimchi, files, where):
    whole = web.read_bytes()
    killed(where, "vm", "edit", "web", "--name", "new")
    name = "new" if where == "done" else "web"
    assert (files / f"{name}_VARS.fd").read_bytes() == whole
    kimchi("vm", "edit", name, "--name", "other", status=0)
    assert names(files) == ["other_VARS.fd"] and (files / "other_VARS.fd").read_bytes() == whole
    kimchi("vm", "start", "other", status=0)
    assert kimchi("pool", "list", "-o", "name").out == "default\n"


@pytest.mark.parametrize("where", ["begun", "done"])
def test_what_a_killed_rename_left_goes_before_another_vm_would_take_it(web, kimchi, files, where):
    killed(where, "vm", "edit", "web", "--name", "new")
    free = "web" if where == "done" else "new"
    said = kimchi("vm", "create", free, "--template", "deb", "--start", status=0).err
    assert f"{free}_VARS.fd deleted: it was left from vm 'new'" in said
    assert b"Boot0004" not in (files / f"{free}_VARS.fd").read_bytes()


@pytest.mark.parametrize("where", ["begun", "copied", "done"])
def test_a_clone_that_is_killed_is_no_vm_that_cannot_start(web, kimchi, files, where):
    killed(where, "vm", "clone", "web", "test")
    kimchi("vm", "clone", "web", "test", status=0 if where != "done" else None)
    assert (files / "test_VARS.fd").read_bytes() == web.read_bytes()
    kimchi("vm", "start", "test", status=0)


def test_a_clone_whose_variables_cannot_be_carried_is_not_made(kimchi, template, monkeypatch, tmp_path):
    with PrivateHost() as host:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", host.uri)
        kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
        template()
        kimchi("vm", "create", "web", "--template", "deb", "--start", status=0)
        kimchi("vm", "stop", "web", "--force", status=0)
        real = volumestream._send

        def restart(*given):
            monkeypatch.setattr(volumestream, "_send", real)
            gone = 'until ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done'
            host.run(["sh", "-c", f'pid=$(cat /run/libvirt/libvirtd.pid); kill -9 "$pid"; {gone}'])
            host.run(["libvirtd", "-d", *CONFIGURED])
            return real(*given)

        monkeypatch.setattr(volumestream, "_send", restart)
        kimchi("vm", "clone", "web", "test", status=5)
        assert names(host.root / "lib/qemu/nvram") == ["web_VARS.fd"]
        assert kimchi("vm", "list", "-o", "name").out == "web\n"
        assert kimchi("pool", "list", "-o", "name").out == "default\n"


@pytest.mark.parametrize("argv", [("create", "keep", "--template", "deb", "--start"), ("clone", "web", "keep")])
def test_a_file_that_lies_there_is_neither_taken_over_nor_deleted(web, kimchi, files, argv):
    (files / "keep_VARS.fd").write_bytes(b"short")
    failed = kimchi("vm", *argv, status=4).err
    assert "keep_VARS.fd has firmware variables" in failed and "rm /var" in failed
    kimchi("vm", "edit", "web", "--name", "keep", status=4)
    assert (files / "keep_VARS.fd").read_bytes() == b"short" and kimchi("vm", "list", "-o", "name").out == "web\n"


def test_what_can_be_seen_from_here_is_said_before_anything_is_asked(files, kimchi, monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: path.endswith("/web_VARS.fd"))
    assert "web_VARS.fd" in kimchi("vm", "create", "web", "--template", "deb", "--dry-run", status=4).err


def test_a_create_that_fails_takes_only_its_own_back(files, kimchi):
    failing = ("--network", "bridge=nosuch", "--start")
    (files / "other_VARS.fd").write_bytes(b"x")
    assert kimchi("vm", "create", "web", "--template", "deb", *failing).status != 0
    assert names(files) == ["other_VARS.fd"]


def test_variables_that_another_vm_has_too_stay(web, kimchi, host, files):
    for name in ("sa", "sb"):
        kimchi("vm", "clone", "web", name, status=0)
        path = "/var/lib/libvirt/qemu/nvram/web_VARS.fd"
        edit = f"sed -i -e 's|<nvram.*||' -e 's|</os>|<nvram>{path}</nvram></os>|'"
        host.run(["env", f"EDITOR={edit}", "virsh", "edit", name])
    bill = kimchi("vm", "delete", "sa", "web", "--yes", status=0).err
    assert "used by sb" in bill and web.exists()
    kimchi("vm", "delete", "sb", "--yes", status=0)
    assert not web.exists()


def test_a_pool_that_a_killed_process_left_elsewhere_is_ended(web, kimchi, host, files, tmp_path):
    (tmp_path / "left").mkdir()
    left = f"<pool type='dir'><name>kimchictl-transient</name><target><path>{tmp_path}/left</path></target></pool>"
    (tmp_path / "left.xml").write_text(left)
    host.run(["virsh", "pool-create", str(tmp_path / "left.xml")])
    kimchi("vm", "clone", "web", "test", status=0)
    assert (files / "test_VARS.fd").read_bytes() == web.read_bytes()
    assert kimchi("pool", "list", "-o", "name").out == "default\n"
