"""Whether KVM works on a host, tried out: that libvirt offers it tells no more than that there is a /dev/kvm.

A kernel may emulate it, or refuse what qemu wants of the processor; then every guest fails at its start. So a guest
without anything in it is started, paused, and ended at once; libvirt ends it, too, when this connection breaks.
"""

import os
from collections.abc import Callable

from kimchictl.virt import xml
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.connection import Host, is_code
from kimchictl.virt.deadlines import within

NAME = "kimchictl-kvm-probe"
_PATIENCE = 30.0
_MEMORY = 32  # MiB


def try_kvm(host: Host, machine: Machine) -> str | None:
    """Why KVM does not work for guests like `machine`; None if it does, or if nothing of this kind could start.

    What keeps a plain emulated guest from starting, too, is not KVM's fault, and is for that guest to say.
    Raises TimedOut.
    """

    def work() -> str | None:
        reason = _start(host, machine, "kvm", _cpu(machine))
        return None if reason is None or _start(host, machine, "qemu", None) is not None else reason

    return within(_PATIENCE, f"host {host.uri}: a guest to try KVM with", work)


def _cpu(machine: Machine) -> str:
    """As guests get it by default: a model that asks little would start where theirs does not."""
    return "host-passthrough" if machine.arch in ("aarch64", "armv7l") else "host-model"


def _start(host: Host, machine: Machine, virt_type: str, cpu: str | None) -> str | None:
    """Starts and ends one such guest; why it did not start, or None."""
    name = f"{NAME}-{os.getpid()}"  # two of one name are refused
    flags = host.flag("DOMAIN_START_PAUSED") | host.flag("DOMAIN_START_AUTODESTROY")
    try:
        domain = host.conn.createXML(probe_xml(name, machine, virt_type, cpu), flags)
    except host.lib.libvirtError as error:
        return why(error.get_error_message() or str(error))
    _quietly(host, domain.destroy)
    return None


def probe_xml(name: str, machine: Machine, virt_type: str, cpu: str | None) -> str:
    """The least guest: it has no disk, and its processor never runs."""
    domain = xml.Element("domain", type=virt_type)
    xml.add(domain, "name", name)
    xml.add(domain, "memory", _MEMORY, unit="MiB")
    xml.add(domain, "vcpu", 1)
    xml.add(xml.add(domain, "os"), "type", "hvm", arch=machine.arch, machine=machine.machine)
    if cpu:
        xml.add(domain, "cpu", mode=cpu)
    devices = xml.add(domain, "devices")
    if machine.emulator:
        xml.add(devices, "emulator", machine.emulator)
    xml.add(devices, "memballoon", model="none")
    return xml.serialize(domain)


def why(message: str) -> str:
    """qemu's own words from libvirt's message, in one line: without its name and the time, nor an assertion's path."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line and "Assertion" not in line] or lines or ["no reason given"]
    return telling[0].rpartition("error: ")[2].strip() or telling[0]


def _quietly(host: Host, end: Callable[[], object]) -> None:
    """It may have ended on its own."""
    try:
        end()
    except host.lib.libvirtError as error:
        if not is_code(error, "NO_DOMAIN", "OPERATION_INVALID"):
            host.note(f"the guest that KVM was tried with could not be ended: {error}")
