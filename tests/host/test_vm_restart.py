"""libvirtd that restarts, or goes away, in the middle of a command."""

import os

import pytest

from kimchictl.virt.domain import domains, power
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
    host.run(["sh", "-c", "kill -9 $(cat /run/libvirt/libvirtd.pid)"])


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


def test_what_is_asked_meanwhile_is_asked_once_more(own, kimchi, monkeypatch):
    broken_once(monkeypatch, domains, "read_domain", own, restart=True)
    done = kimchi("vm", "show", "web", "-o", "json", status=0)
    assert done.json["name"] == "web" and "once more" in done.err
    broken_once(monkeypatch, power, "state_of", own, restart=True)
    kimchi("vm", "start", "web", status=0)
    assert kimchi("vm", "show", "web", "-o", "json").json["state"] == "running"


def test_without_it_the_error_is_clear_and_what_is_left_goes_later(own, kimchi, monkeypatch, tmp_path):
    monkeypatch.setattr("kimchictl.commands.vm.again._PATIENCE", 0.3)
    broken_once(monkeypatch, domains, "define", own, restart=False)
    failed = kimchi("vm", "create", "db", "--template", "deb")
    assert failed.status in (1, 5) and "db.qcow2" in failed.err
    assert "libvirtd" in kimchi("vm", "list", status=5).err
    assert "db.qcow2" in os.listdir(tmp_path / "pool")
    own.run(["libvirtd", "-d", *CONFIGURED])
