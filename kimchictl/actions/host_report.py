"""The host in one look, and what it can do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimchictl.errors import Invalid
from kimchictl.units import MIB
from kimchictl.virt.capabilities import (
    Machine,
    ask_features,
    choose_machine,
    host_cpus,
    host_memory,
    host_name,
    read_capabilities,
    versions,
)
from kimchictl.virt.streaming import LIBVIRT_PROTOCOLS, qemu_protocols

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class HostSummary:
    """`memory` is bytes."""

    name: str
    uri: str
    arch: str
    cpus: int
    memory: int
    hypervisor: str
    hypervisor_version: str
    libvirt_version: str


@dataclass(frozen=True, slots=True)
class HostCapabilities:
    """`libvirt_protocols` are accepted in a domain, `qemu_protocols` can be opened (None: not known from here).

    `kvm` is "offered" only: whether it is real hardware, or how fast, is another question. `guests` are "ARCH (TYPES)".
    """

    libvirtd: str
    libvirt_protocols: tuple[str, ...]
    qemu_streaming: bool | None
    qemu_protocols: tuple[str, ...] | None
    screenshot: bool
    kvm: bool
    uefi: bool | None
    secure_boot: bool | None
    tpm: bool | None
    graphics: tuple[str, ...] | None
    guests: tuple[str, ...]


def summarise(host: "Host") -> HostSummary:
    """Ask `host` about itself."""
    libvirt, hypervisor = versions(host)
    return HostSummary(
        name=host_name(host),
        uri=host.uri,
        arch=read_capabilities(host).arch,
        cpus=host_cpus(host),
        memory=host_memory(host) * MIB,
        hypervisor=host.driver,
        hypervisor_version=hypervisor,
        libvirt_version=libvirt,
    )


def find_capabilities(host: "Host") -> HostCapabilities:
    """Ask `host` what it can do; what it does not tell is None."""
    offered = read_capabilities(host)
    opened = qemu_protocols(host)
    features = _machine(host).features
    return HostCapabilities(
        libvirtd="running",
        libvirt_protocols=LIBVIRT_PROTOCOLS,
        qemu_streaming=None if opened is None else bool(opened),
        qemu_protocols=opened,
        screenshot=host.driver in ("qemu", "test", "vbox", "esx"),
        kvm=any("kvm" in guest.virt_types for guest in offered.guests),
        uefi=None if features is None else "uefi" in features,
        secure_boot=None if features is None else "secure-boot" in features,
        tpm=None if features is None else "tpm" in features,
        graphics=None if features is None else tuple(sorted(f[9:] for f in features if f.startswith("graphics:"))),
        guests=tuple(f"{guest.arch} ({', '.join(guest.virt_types)})" for guest in offered.guests),
    )


def _machine(host: "Host") -> Machine:
    """The host's own kind of machine, with its features where it has any."""
    try:
        machine = choose_machine(read_capabilities(host), None, None, None)
    except Invalid:
        return Machine()
    kind = "q35" if machine.arch == "x86_64" else None
    return ask_features(host, Machine(machine.arch, machine.virt_type, kind, machine.emulator))
