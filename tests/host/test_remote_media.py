"""Images behind URLs for guests of a host far away, which has another network than the one who asks."""

import os

import pytest

from lab.images import BOOT_DONE, BOOT_OK, PAYLOAD, make_image
from lab.web import Served, WebServer

THERE = "/var/lib/libvirt/images"  # the private host's own: this machine has other files at the same paths


@pytest.fixture
def far(host, kimchi, ssh, server):
    """Arguments that name the host over ssh; it has a pool, and a template `deb` of an image on the server."""
    small = ("--memory", "512M", "--disk", "none", "--network", "user", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", server.url("/a.iso"), *small, status=0)
    kimchi("pool", "create", "default", "--path", f"{THERE}/m", "--start", "-c", ssh, status=0)
    yield ("-c", ssh)
    for name in os.listdir(host.root / "lib/images/m"):
        (host.root / "lib/images/m" / name).unlink()


@pytest.fixture
def server(tmp_path):
    """A web server that only this machine reaches."""
    with WebServer() as running:
        running.files["/a.iso"] = Served(
            make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n", poweroff=True).read_bytes()
        )
        yield running


def test_its_qemu_is_asked_and_who_asked_the_server_is_said(far, kimchi, server):
    dry = kimchi("vm", "create", "web", "--template", "deb", "--dry-run", *far, status=0).out
    assert "would be streamed" in dry and "not tried whether qemu can read them" in dry
    said = kimchi("vm", "create", "web", "--template", "deb", *far, status=0).err
    assert "the image is streamed" in said and "as asked from here and not from the host" in said
    told = kimchi("host", "capabilities", "-o", "json", *far, status=0).json
    assert {one["protocol"]: one["qemu"] for one in told["protocols"]}["http"] is True  # remembered


def test_without_a_probe_what_its_qemu_can_is_not_known(host, kimchi, ssh):
    told = kimchi("host", "capabilities", "-o", "json", "-c", ssh, status=0).json
    assert told["qemu_protocols"] is None and told["qemu_streaming"] is None
    assert not told["kvm_works"]  # null; false where the host does not even offer it
    told = kimchi("host", "capabilities", "--probe", "-o", "json", "-c", ssh, status=0).json
    assert told["qemu_protocols"] == ["ftp", "ftps", "http", "https"] and told["kvm_works"] is not None
    assert kimchi("vm", "list", "-o", "json", "-c", ssh, status=0).json == []


def test_an_image_is_fetched_from_here_and_its_guest_boots_there(far, kimchi, host, server):
    kimchi("vm", "create", "web", "--template", "deb", "--media", "fetch", *far, status=0)
    assert (host.root / "lib/images/m/a.iso").read_bytes() == server.files["/a.iso"].content
    sent = server.sent()
    kimchi("vm", "create", "db", "--template", "deb", "--media", "fetch", *far, status=0)
    assert server.sent() - sent <= 12 << 10
    said = kimchi("vm", "start", "web", "--console", *far).out
    assert f"{BOOT_OK} {PAYLOAD}" in said and BOOT_DONE in said
