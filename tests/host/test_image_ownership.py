"""What a user's image belongs to, and who may do what with it, stays as it was when guests start and stop."""

import json
import os
import pwd
import shutil
import stat
import struct
import subprocess
import sys

import pytest

from lab.host import PrivateHost
from lab.images import make_image

USER = 4321  # who owns the images; nobody of that number need exist
ACCESS = "system.posix_acl_access"


@pytest.fixture(scope="module")
def strict():
    """A host whose guests run as libvirt-qemu; libvirt remembers no owner there, so what it changes stays changed."""
    try:
        with PrivateHost(qemu_user="libvirt-qemu") as running:
            open_kvm(running)
            yield running
    except KeyError:
        pytest.skip("there is no user libvirt-qemu")


def open_kvm(host):
    """Lets that user have /dev/kvm there: what it cannot open, libvirt asks qemu about for half a minute a start."""
    if os.path.exists("/dev/kvm"):
        node = host.root / "kvm"
        os.mknod(node, stat.S_IFCHR | 0o666, os.stat("/dev/kvm").st_rdev)
        node.chmod(0o666)
        host.run(["mount", "--bind", node, "/dev/kvm"], check=True)


@pytest.fixture
def run(strict, tmp_path_factory, monkeypatch):
    """Runs a command line on that host."""
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", strict.uri)

    def command(*argv, check=True):
        words = [sys.executable, "-m", "kimchictl", *map(str, argv)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stderr
        return done

    return command


@pytest.fixture
def place(strict):
    """A directory that the user libvirt-qemu can reach, too."""
    path = strict.root / "lib/images/mine"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def own(path):
    """Give `path` to a user, with an access list (acl(5), in the form that Linux keeps) for libvirt-qemu to read it."""
    os.chown(path, USER, USER)
    path.chmod(0o640)
    reader, nobody = pwd.getpwnam("libvirt-qemu").pw_uid, 0xFFFFFFFF
    entries = ((0x01, 6, nobody), (0x02, 4, reader), (0x04, 4, nobody), (0x10, 4, nobody), (0x20, 0, nobody))
    os.setxattr(path, ACCESS, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


def belongings(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid, status.st_mode, {name: os.getxattr(path, name) for name in os.listxattr(path)}


def state(run):
    return json.loads(run("vm", "show", "web", "-o", "json").stdout)["state"]


SMALL = ("--memory", "512M", "--vcpus", "1", "--virt-type", "qemu", "--network", "user")


def test_a_medium_that_is_put_in_while_a_guest_runs_stays_the_user_s(run, place):
    first, second = (make_image(place / name, "Debian 12.5.0 amd64 n") for name in ("a.iso", "b.iso"))
    for path in (first, second):
        own(path)
    before = {path: belongings(path) for path in (first, second)}
    run("pool", "create", "disks", "--path", place / "disks", "--start")
    run("template", "create", "t", "--cdrom", first, *SMALL, "--disk", "size=1G,pool=disks")
    run("vm", "create", "web", "--template", "t", "--start")
    run("vm", "cdrom", "insert", "web", second, "--force")
    assert {path: belongings(path) for path in before} == before
    run("vm", "cdrom", "eject", "web", "--force")
    assert {path: belongings(path) for path in before} == before
    run("vm", "delete", "web", "--yes")
    run("template", "delete", "t")
    run("pool", "delete", "disks", "--with-contents", "--yes")
    assert {path: belongings(path) for path in before} == before


@pytest.mark.parametrize("kind", ["dir", "netfs"])
def test_a_directory_that_becomes_a_pool_stays_as_it_was(run, place, kind):
    (place / "p").mkdir()
    own(place / "p")
    before = belongings(place / "p")
    far = ("--source-host", "192.0.2.1", "--source-path", "/e") if kind == "netfs" else ("--start",)
    run("pool", "create", "p", "--type", kind, "--path", place / "p", *far)
    run("pool", "list")
    run("pool", "stop", "p")
    assert belongings(place / "p") == before
    run("pool", "delete", "p")
    assert belongings(place / "p") == before


def test_a_medium_and_a_base_image_stay_the_user_s(strict, run, place):
    image = make_image(place / "a.iso", "Debian 12.5.0 amd64 n")
    base = place / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "64M"], check=True)
    for path in (image, base):
        own(path)
    before = {path: belongings(path) for path in (image, base)}
    run("pool", "create", "mine", "--path", place, "--start")
    run("pool", "create", "default", "--path", strict.root / "lib/images/disks", "--start")
    (strict.root / "lib/images/disks").chmod(0o711)
    run("template", "create", "t", "--cdrom", image, *SMALL, "--disk", f"base={base},size=1G,pool=default")
    run("vm", "create", "web", "--template", "t", "--start")
    assert state(run) == "running"
    assert {path: belongings(path) for path in before} == before
    run("vm", "stop", "web", "--force")
    assert {path: belongings(path) for path in before} == before
    os.rename(strict.root / "lib/images/disks", strict.root / "lib/images/away")
    assert run("vm", "start", "web", check=False).returncode != 0
    assert {path: belongings(path) for path in before} == before
    os.rename(strict.root / "lib/images/away", strict.root / "lib/images/disks")
    run("vm", "delete", "web", "--yes")
    assert {path: belongings(path) for path in before} == before


def test_an_image_that_guests_cannot_read_is_refused_with_what_helps(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    image = make_image(tmp_path / "closed/deb.iso", "Debian 12.5.0 amd64 n")
    run("template", "create", "deb", "--cdrom", image, "--disk", "none", "--network", "user")
    refused = run("vm", "create", "--template", "deb", "--memory", "512M", "--dry-run", check=False)
    assert refused.returncode == 1 and "cannot be read by libvirt-qemu" in refused.stderr
    assert "setfacl -m u:libvirt-qemu:x" in refused.stderr
