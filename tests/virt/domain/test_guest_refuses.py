"""What a guest has to agree to, and does not: a real one that refuses takes a system in it, and five seconds."""

import libvirt
import pytest

from kimchictl.errors import InUse, TimedOut
from kimchictl.virt import xml
from kimchictl.virt.domain.devices import Scope, update
from kimchictl.virt.domain.domainedit import VmChanges
from kimchictl.virt.domain.live import apply_live

# As libvirt 9.0 says it with QEMU 7.2.
TRAY = (libvirt.VIR_ERR_OPERATION_FAILED, "operation failed: timed out waiting to open tray of 'sda'")
VCPUS = (libvirt.VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation: vcpu unplug request timed out.")
ASKED_BEFORE = (
    libvirt.VIR_ERR_INTERNAL_ERROR,
    "internal error: unable to execute QEMU command 'device_del': Device vcpu1 is already in the process of unplug",
)


class Domain:
    """A domain whose guest refuses; `done` is what was asked of it."""

    def __init__(self, code, message):
        self.error, self.done = libvirt.libvirtError(message), []
        self.error.err = (code, libvirt.VIR_FROM_QEMU, message, 2, None, None, None, -1, -1)

    def name(self):
        return "web"

    def isPersistent(self):
        return True

    def hasManagedSaveImage(self, flags):
        return False

    def vcpusFlags(self, flags):
        return 3

    def setVcpusFlags(self, count, flags):
        raise self.error

    def setMemoryFlags(self, size, flags):
        self.done.append("memory")

    def updateDeviceFlags(self, document, flags):
        self.done.append(flags)
        if not flags & libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE:
            raise self.error


@pytest.mark.parametrize("said", [VCPUS, ASKED_BEFORE])
def test_a_guest_that_keeps_its_vcpus_keeps_its_memory_too(host, said):
    domain = Domain(*said)
    with pytest.raises(TimedOut, match="does not let go of its vcpus: 3 are left") as refused:
        apply_live(host, domain, VmChanges(vcpus=1, memory=100))
    assert domain.done == [] and "--next-start" in (refused.value.hint or "")


def test_a_drive_that_the_guest_keeps_closed_is_opened_by_force(host):
    domain = Domain(*TRAY)
    scope, drive = Scope(domain, "web", True, True), xml.Element("disk")
    with pytest.raises(InUse, match="keeps the drive closed"):
        update(host, scope, drive)
    update(host, scope, drive, force=True)
    assert len(domain.done) == 2
