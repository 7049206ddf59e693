"""Templates of installed VMs, and of images that VMs write to."""

import os
import signal
import subprocess
import sys

import pytest

from lab.images import make_image


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """Makes the VM `web` with these options; returns the directory of its disks."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "600M", "--vcpus", "1", "--network", "default", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)

    def make(*options):
        kimchi("vm", "create", "web", "--template", "deb", *options, status=0)
        return active_pool

    return make


def stored(kimchi, name):
    return kimchi("template", "show", name, "--stored", status=0).json


@pytest.mark.parametrize(("form", "base"), [("qcow2", "golden-base.qcow2"), ("raw", "golden-base.img")])
def test_a_vm_becomes_a_template_whose_disks_it_backs(web, kimchi, small_raw_disk, form, base):
    pool = web("--disk", "none" if form == "raw" else "size=1G")
    if form == "raw":
        small_raw_disk("web")
    kimchi("template", "create", "golden", "--from-vm", "web", status=0)
    template = stored(kimchi, "golden")
    assert [(disk["base"], disk["size"]) for disk in template["disks"]] == [(f"pool:default/{base}", 1)]
    assert (template["os_distro"], template["os_version"]) == ("debian", "12.5.0")
    assert (template["memory"], template["vcpus"], template["virt_type"]) == (600, 1, "qemu")
    assert template["networks"] == [{"type": "network", "name": "default", "model": "virtio"}]
    kimchi("vm", "create", "one", "--template", "golden", "--start", status=0)
    disk = kimchi("vm", "show", "one", "-o", "json").json["disks"][0]
    assert disk["backing"] == [str(pool / base)] and disk["format"] == "qcow2"


def test_a_vm_smaller_than_any_template_becomes_one_with_more_memory(web, kimchi):
    web()
    kimchi("vm", "edit", "web", "--memory", "128M", "--max-memory", "256M", status=0)
    assert "'web' has 128 MiB" in kimchi("template", "create", "golden", "--from-vm", "web", status=0).err
    assert stored(kimchi, "golden")["memory"] == 512 and "max_memory" not in stored(kimchi, "golden")
    larger = kimchi("template", "create", "large", "--from-vm", "web", "--memory", "1G", "--dry-run", status=0)
    assert "MiB" not in larger.err


def test_a_vm_that_runs_is_refused(web, kimchi):
    pool = web("--start")
    run = kimchi("template", "create", "golden", "--from-vm", "web", status=4)
    assert "'web' is running" in run.err and os.listdir(pool) == ["web.qcow2"]


def test_what_was_copied_goes_when_the_template_cannot_be_stored(web, kimchi, monkeypatch):
    pool = web()
    from kimchictl.actions.documents import from_vm
    from kimchictl.errors import Failed

    def full(*_arguments):
        assert "golden-base.qcow2" in os.listdir(pool)
        raise Failed("no space")

    monkeypatch.setattr(from_vm, "keep", full)
    kimchi("template", "create", "golden", "--from-vm", "web", status=1)
    assert os.listdir(pool) == ["web.qcow2"]


KILLED = """
import os, signal, sys
from kimchictl import cli
from kimchictl.actions.documents import from_vm
real, copies = from_vm.clone_volume, []
def copy(*given):
    if copies:
        os.kill(os.getpid(), signal.SIGKILL)
    copies.append(real(*given))
    return copies[0]
from_vm.clone_volume = copy
cli.main(sys.argv[1:])
"""


def test_copies_that_were_whole_when_it_was_killed_go_with_the_next_one(web, kimchi):
    pool, create = web("--disk", "size=1G", "--disk", "size=1G"), ("template", "create", "golden", "--from-vm", "web")
    subprocess.run([sys.executable, "-c", KILLED, *create], capture_output=True)
    assert set(os.listdir(pool)) == {"web.qcow2", "web-1.qcow2", "golden-base.qcow2"}
    assert "golden-base.qcow2 deleted" in kimchi(*create, status=0).err
    assert set(os.listdir(pool)) == {"web.qcow2", "web-1.qcow2", "golden-base.qcow2", "golden-base-2.qcow2"}


def test_a_copy_can_be_interrupted(web, kimchi, monkeypatch):
    pool, went_on = web(), []
    from kimchictl.actions.documents import from_vm

    def copy(*given):
        os.kill(os.getpid(), signal.SIGINT)
        went_on.append(given)

    monkeypatch.setattr(from_vm, "clone_volume", copy)
    kimchi("template", "create", "golden", "--from-vm", "web", status=130)
    assert went_on == [] and os.listdir(pool) == ["web.qcow2"]


def test_what_a_template_was_stored_with_stays_when_that_is_interrupted(web, kimchi, monkeypatch):
    from kimchictl.actions.documents import from_vm

    pool, keep = web(), from_vm.keep
    monkeypatch.setattr(from_vm, "keep", lambda *given: (keep(*given), os.kill(os.getpid(), signal.SIGINT))[0])
    kimchi("template", "create", "golden", "--from-vm", "web", status=130)
    assert "golden" in kimchi("template", "list", "-o", "name", status=0).out
    assert sorted(os.listdir(pool)) == ["golden-base.qcow2", "web.qcow2"]


def test_nothing_is_copied_for_a_name_that_is_taken_or_a_dry_run(web, kimchi):
    pool = web()
    kimchi("template", "create", "deb", "--from-vm", "web", status=4)
    assert "would be created" in kimchi("template", "create", "golden", "--from-vm", "web", "--dry-run", status=0).err
    assert os.listdir(pool) == ["web.qcow2"]


def test_an_image_that_a_vm_can_write_is_refused(web, kimchi, tmp_path):
    pool = web()
    (tmp_path / "link.qcow2").symlink_to(pool / "web.qcow2")
    run = kimchi("template", "create", "x", "--image", tmp_path / "link.qcow2", status=4)
    assert "'web'" in run.err and "--from-vm" in run.err
    kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    kimchi("template", "create", "x", "--image", tmp_path / "link.qcow2", status=0)


def test_an_image_can_be_named_by_its_pool(web, kimchi):
    web()
    run = kimchi("template", "create", "x", "--image", "pool:default/web.qcow2", status=4)
    assert "'web'" in run.err
    kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    kimchi("template", "create", "x", "--image", "pool:default/web.qcow2", status=0)
    assert stored(kimchi, "x")["disks"] == [{"size": 1, "base": "pool:default/web.qcow2"}]
    kimchi("vm", "create", "one", "--template", "x", status=0)


def test_a_base_that_is_missing_is_said_to_be(web, kimchi):
    pool = web()
    kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    kimchi("template", "create", "x", "--image", pool / "web.qcow2", status=0)
    (pool / "web.qcow2").unlink()
    assert f"base image {pool / 'web.qcow2'} is missing" in kimchi("vm", "create", "--template", "x", status=3).err


def test_a_base_that_came_to_name_a_stranger_s_file_is_refused(web, kimchi, tmp_path):
    pool = web()
    kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    kimchi("template", "create", "x", "--image", "pool:default/web.qcow2", status=0)
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "secret", pool / "web.qcow2"]
    subprocess.run(make, check=True)
    kimchi("pool", "list", status=0)  # refreshed
    assert "in no active pool" in kimchi("vm", "create", "one", "--template", "x", status=4).err
    assert os.listdir(pool) == ["web.qcow2"]


@pytest.mark.parametrize("state", ["off", "running"])
def test_upon_a_base_that_a_vm_has_come_to_write_no_vm_is_made(web, kimchi, host, state):
    pool = web("--disk", "none")
    kimchi("volume", "create", "default", "base.qcow2", "--size", "1G", status=0)
    kimchi("template", "create", "x", "--image", "pool:default/base.qcow2", "--network", "none", status=0)
    host.run(["virsh", "attach-disk", "web", str(pool / "base.qcow2"), "vdb", "--config", "--subdriver", "qcow2"])
    if state == "running":
        kimchi("vm", "start", "web", status=0)
        host.run(["virsh", "detach-disk", "web", "vdb", "--config"])
    refused = kimchi("vm", "create", "one", "--template", "x", status=4).err
    assert "base image pool:default/base.qcow2 is a disk of vm 'web', which can write to it" in refused
    assert "'web'" in kimchi("template", "check", "x", status=7).out and os.listdir(pool) == ["base.qcow2"]
    kimchi("vm", "delete", "web", "--yes", status=0)
    kimchi("vm", "create", "one", "--template", "x", "--virt-type", "qemu", status=0)
