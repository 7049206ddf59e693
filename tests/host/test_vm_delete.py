"""The bill of a deletion: what goes with a VM, and what stays."""

import os
import subprocess

import pytest

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
