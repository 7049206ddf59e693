"""What a host offers to guests, from libvirt's capabilities and domain capabilities XML.

Guest          one architecture: emulator, virt types, machine types
Capabilities   the host's own architecture, its guests, and the user that guests run as
Machine        one combination of them for one guest, with what its emulator can do
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from kimchictl.errors import Invalid, KimchiError
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code

# What a template says -> what libvirt and qemu call it.
_ARCHES = {
    **dict.fromkeys(("amd64", "x64"), "x86_64"),
    **dict.fromkeys(("x86", "i386", "i486", "i586"), "i686"),
    "arm64": "aarch64",
}
_MOST_CPUS = 4096


@dataclass(frozen=True, slots=True)
class Guest:
    """One `<guest>` of type hvm. `machines` holds the machine types and their aliases."""

    arch: str
    emulator: str | None
    virt_types: tuple[str, ...]
    machines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`qemu_user` is (uid, gid) where libvirt's DAC driver says so, None where guests run as the daemon does.

    `dac`: there is such a driver, which changes the owner of images; a user's own session has none.
    """

    arch: str
    guests: tuple[Guest, ...]
    qemu_user: tuple[int, int] | None = None
    dac: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Where one guest is to run. None and empty: not known, to be taken as usual.

    `features` holds what the domain capabilities offer: "uefi", "secure-boot", "tpm", "video:virtio", "graphics:spice",
    "cpu:maximum", "model:EPYC"... `dac`: images that guests only read must be kept from being given to another owner.
    `most_vcpus` is what its machine type takes.
    """

    arch: str = "x86_64"
    virt_type: str = "kvm"
    machine: str | None = None
    emulator: str | None = None
    features: frozenset[str] | None = None
    dac: bool = True
    most_vcpus: int | None = None

    def offers(self, feature: str) -> bool:
        """Whether it has `feature`, as far as that is known."""
        return self.features is None or feature in self.features


ASSUMED = Machine()


def canonical_arch(arch: str) -> str:
    """libvirt's name of an architecture: "amd64" is "x86_64"."""
    return _ARCHES.get(arch.lower(), arch.lower())


def read_capabilities(host: Host) -> Capabilities:
    """Ask `host`."""
    with asking(f"host {host.uri}: capabilities"):
        document = host.conn.getCapabilities()
    return parse_capabilities(document)


def host_memory(host: Host) -> int:
    """The host's memory in MiB."""
    with asking(f"host {host.uri}: memory"):
        info = _node_info(host)
        return int(info[1] if info else host.conn.getMemoryStats(-1)["total"] >> 10)


def host_cpus(host: Host) -> int:
    """The host's CPUs."""
    with asking(f"host {host.uri}: cpus"):
        info = _node_info(host)
        return int(info[2]) if info else _counted_cpus(host)


def _node_info(host: Host) -> list[Any] | None:
    """virNodeInfo; None where libvirt finds no /sys, as in a container, and fails without a word why."""
    try:
        return list(host.conn.getInfo())
    except host.lib.libvirtError as error:
        if not is_code(error, "INTERNAL_ERROR"):
            raise
        return None


def _counted_cpus(host: Host) -> int:
    """Those that the host's /proc/stat has times of: asked for one after another, until there is no such one."""
    for number in range(_MOST_CPUS):
        try:
            host.conn.getCPUStats(number)
        except host.lib.libvirtError:
            if number == 0:
                raise
            return number
    return _MOST_CPUS


def host_name(host: Host) -> str:
    """The host's name for itself."""
    with asking(f"host {host.uri}: name"):
        return str(host.conn.getHostname())


def versions(host: Host) -> tuple[str, str]:
    """("9.0.0", "7.2.22"): libvirt's version there, and the hypervisor's."""
    with asking(f"host {host.uri}: version"):
        return _dotted(host.conn.getLibVersion()), _dotted(host.conn.getVersion())


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def parse_capabilities(document: str) -> Capabilities:
    """virConnectGetCapabilities' document as a record."""
    root = xml.parse(document, "the host's capabilities")
    guests = [_guest(guest) for guest in root.findall("guest") if xml.text(guest, "os_type") == "hvm"]
    dac = any(xml.text(model, "model") == "dac" for model in root.findall("host/secmodel"))
    return Capabilities(xml.text(root, "host/cpu/arch") or "x86_64", tuple(guests), _qemu_user(root), dac)


def _guest(element: xml.Element) -> Guest:
    arch = element.find("arch")
    if arch is None:
        return Guest("", None, (), ())
    machines = [name.text or "" for name in arch.iter("machine")]
    types = [domain.get("type") or "" for domain in arch.findall("domain")]
    return Guest(arch.get("name") or "", xml.text(arch, "emulator"), tuple(types), tuple(dict.fromkeys(machines)))


def _qemu_user(root: xml.Element) -> tuple[int, int] | None:
    """The DAC label of guests, which is "+UID:+GID"."""
    for model in root.findall("host/secmodel"):
        if xml.text(model, "model") != "dac":
            continue
        for label in model.findall("baselabel"):
            if match := re.fullmatch(r"\+(\d+):\+(\d+)", (label.text or "").strip()):
                return int(match[1]), int(match[2])
    return None


def choose_machine(
    capabilities: Capabilities, arch: str | None, virt_type: str | None = None, machine: str | None = None
) -> Machine:
    """The machine for a guest of `arch` (None: the host's own); `virt_type` is auto, kvm or qemu.

    Raises Invalid where the host does not offer it. On a host whose guests are of neither type (libvirt's test driver)
    it is the type there is. "Offered" does not mean that KVM works well: /dev/kvm may itself be emulated.
    """
    guest = _guest_for(capabilities, arch)
    wanted = virt_type or "auto"
    if wanted == "auto":
        chosen = next((kind for kind in ("kvm", "qemu") if kind in guest.virt_types), guest.virt_types[0])
    elif wanted in guest.virt_types or not {"kvm", "qemu"} & set(guest.virt_types):
        chosen = wanted if wanted in guest.virt_types else guest.virt_types[0]
    else:
        raise Invalid(
            f"virt_type {wanted!r} is not offered by the host for {guest.arch}",
            f"it offers {', '.join(guest.virt_types)}; --virt-type auto takes what there is",
        )
    if machine and guest.machines and machine not in guest.machines:
        raise Invalid(f"machine type {machine!r} is not offered by the host for {guest.arch}")
    return Machine(guest.arch, chosen, machine, guest.emulator, dac=capabilities.dac)


def _guest_for(capabilities: Capabilities, arch: str | None) -> Guest:
    runnable = [guest for guest in capabilities.guests if guest.virt_types]
    wanted = canonical_arch(arch) if arch and arch != "any" else capabilities.arch
    for guest in runnable:
        if guest.arch == wanted:
            return guest
    made_up = [guest for guest in runnable if guest.virt_types == ("test",)]
    if made_up:
        return made_up[0]
    if wanted == "i686":  # an x86_64 emulator runs it as well
        return _guest_for(capabilities, "x86_64")
    offered = ", ".join(sorted(guest.arch for guest in runnable)) or "none"
    raise Invalid(f"os_arch {wanted!r} cannot run on this host", f"it offers {offered}; install the qemu of {wanted}")


def ask_features(host: Host, machine: Machine) -> Machine:
    """`machine` with what its emulator offers; unchanged, with a note, where `host` does not tell."""
    if host.is_test or host.readonly:
        return machine
    try:
        with asking(f"host {host.uri}: domain capabilities of {machine.arch}"):
            document = host.conn.getDomainCapabilities(
                machine.emulator, machine.arch, machine.machine, machine.virt_type, 0
            )
    except KimchiError as error:
        host.note(f"{error}: features are not checked")
        return machine
    return replace(machine, features=parse_features(document), most_vcpus=parse_most_vcpus(document))


def parse_features(document: str) -> frozenset[str]:
    """virConnectGetDomainCapabilities' document as the words that Machine.offers knows."""
    root = xml.parse(document, "the domain capabilities")
    found = {f"cpu:{mode.get('name')}" for mode in root.findall("cpu/mode") if mode.get("supported") == "yes"}
    found |= {f"model:{model.text}" for model in root.findall("cpu/mode[@name='custom']/model")}
    firmware = root.find("os[@supported='yes']")
    if firmware is not None and "efi" in _values(firmware, "firmware"):
        found.add("uefi")
        if "yes" in _values(firmware, "secure", "loader/"):
            found.add("secure-boot")
    for device, name in (("video", "modelType"), ("graphics", "type"), ("disk", "bus"), ("rng", "model")):
        for element in root.findall(f"devices/{device}[@supported='yes']"):
            found |= {f"{device}:{value}" for value in _values(element, name)}
    tpm = root.find("devices/tpm[@supported='yes']")
    if tpm is not None and "emulator" in _values(tpm, "backendModel"):
        found.add("tpm")
    return frozenset(found)


def parse_most_vcpus(document: str) -> int | None:
    """How many vcpus a guest may have at most, from the same document; None where it does not tell."""
    most = xml.parse(document, "the domain capabilities").find("vcpu")
    told = "" if most is None else most.get("max") or ""
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def _values(parent: xml.Element, name: str, below: str = "") -> set[str]:
    return {value.text or "" for value in parent.findall(f"{below}enum[@name='{name}']/value")}
