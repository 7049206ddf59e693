"""The state of VMs that a real libvirtd takes its time to change."""

import time

import libvirt
import pytest

from kimchictl.virt.deadlines import Running
from lab.images import make_image

STARTING_UP = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]


@pytest.fixture
def web(active_pool, host, kimchi, tmp_path):
    """A VM that is off; the libvirt domain that it is."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--disk", "none", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    connection = libvirt.open(host.uri)
    yield connection.lookupByName("web")
    connection.close()


def being_started(domain):
    """Somebody else's start of it, under way: a start that was too quick to be seen is tried again."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        start = Running(domain.create)
        while not start.is_over:
            if domain.state() == STARTING_UP:
                return start
        domain.destroy()
    pytest.fail("no start was ever seen")


@pytest.mark.parametrize(("verb", "said"), [("start", "is already running"), ("suspend", "suspended")])
def test_a_vm_that_is_being_started_is_not_taken_for_one_that_somebody_paused(web, kimchi, verb, said):
    other = being_started(web)
    assert f"vm 'web' {said}" in kimchi("vm", verb, "web", status=0).err
    other.wait(20, "the other start")
    expected = {"start": libvirt.VIR_DOMAIN_RUNNING, "suspend": libvirt.VIR_DOMAIN_PAUSED}
    assert web.state()[0] == expected[verb]
