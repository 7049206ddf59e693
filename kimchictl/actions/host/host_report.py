"""The host in one look, and what it can do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimchictl.actions.vms.create.stream_support import missing_package, openable, probe_machine
from kimchictl.actions.vms.create.virt_type import KvmAnswer, kvm_answer
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
from kimchictl.virt.streaming import LIBVIRT_PROTOCOLS, libvirt_protocols

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
class ProtocolSupport:
    """`libvirt`: a domain may name it; `qemu`: its driver is there, None where nobody asked or it does not tell."""

    protocol: str
    libvirt: bool
    qemu: bool | None


@dataclass(frozen=True, slots=True)
class HostCapabilities:
    """`libvirt_protocols` are accepted in a domain, `qemu_protocols` can be opened (None: not known from here).

    `protocols` says both of each; `missing_package` brings what qemu lacks. `kvm` is "offered" only; `kvm_works` is
    known once it was tried, with `kvm_reason` if not. `guests` are "ARCH (TYPES)".
    """

    libvirtd: str
    libvirt_protocols: tuple[str, ...]
    qemu_streaming: bool | None
    qemu_protocols: tuple[str, ...] | None
    protocols: tuple[ProtocolSupport, ...]
    missing_package: str | None
    screenshot: bool
    snapshots: bool
    kvm: bool
    kvm_works: bool | None
    kvm_reason: str | None
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


def find_capabilities(host: "Host", cache_dir: str, probe: bool = False) -> HostCapabilities:
    """Ask `host` what it can do; what it does not tell is None. `probe`: guests may be started, paused, for it."""
    offered, machine = read_capabilities(host), _machine(host)
    accepted, answers = _accepted(host), openable(host, cache_dir, probe)
    opened = None if None in answers.values() else tuple(name for name, answer in answers.items() if answer)
    features, kvm = machine.features, any("kvm" in guest.virt_types for guest in offered.guests)
    answer = kvm_answer(host, machine, cache_dir, may_try=probe) if machine.virt_type == "kvm" else None
    return HostCapabilities(
        libvirtd="running",
        libvirt_protocols=accepted,
        qemu_streaming=None if opened is None else bool(opened),
        qemu_protocols=opened,
        protocols=tuple(ProtocolSupport(name, name in accepted, answer) for name, answer in answers.items()),
        missing_package=missing_package(host) if False in answers.values() else None,
        screenshot=host.driver in ("qemu", "test", "vbox", "esx"),
        snapshots=host.driver in ("qemu", "test", "vbox", "esx", "vz"),
        kvm=kvm,
        kvm_works=_works(kvm, answer),
        kvm_reason=answer.reason if answer else None,
        uefi=None if features is None else "uefi" in features,
        secure_boot=None if features is None else "secure-boot" in features,
        tpm=None if features is None else "tpm" in features,
        graphics=None if features is None else tuple(sorted(f[9:] for f in features if f.startswith("graphics:"))),
        guests=tuple(f"{guest.arch} ({', '.join(guest.virt_types)})" for guest in offered.guests),
    )


def _accepted(host: "Host") -> tuple[str, ...]:
    if host.driver != "qemu" or host.readonly:
        return LIBVIRT_PROTOCOLS
    try:
        return libvirt_protocols(host, probe_machine(host))
    except Invalid:
        return ()  # it runs no guests at all


def _works(offered: bool, answer: KvmAnswer | None) -> bool | None:
    if not offered:
        return False
    return None if answer is None else answer.works


def _machine(host: "Host") -> Machine:
    """The host's own kind of machine, with its features where it has any."""
    try:
        machine = choose_machine(read_capabilities(host), None, None, None)
    except Invalid:
        return Machine()
    kind = "q35" if machine.arch == "x86_64" else None
    return ask_features(host, Machine(machine.arch, machine.virt_type, kind, machine.emulator))
