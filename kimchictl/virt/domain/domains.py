"""Domains: what they are, in a constant number of calls.

Vm             one VM as it is printed; the keys are the contract of the command line
list_vms       all of them: three calls however many there are; one more each with `described`
show_vm        one, with disks, interfaces, snapshots and addresses
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from kimchictl.errors import Exists, Invalid, KimchiError
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.domain.domainread import Description, VmDisk, VmGraphics, VmNic, read_domain
from kimchictl.virt.missing import missing

# virDomainState, in its order.
STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
ACTIVE = ("running", "blocked", "paused", "shutdown", "crashed", "pmsuspended")


@dataclass(frozen=True, slots=True)
class Vm:
    """`memory` and `max_memory` are bytes. From `title` on None also means "not asked for"."""

    name: str
    uuid: str
    state: str
    vcpus: int | None
    max_vcpus: int | None
    memory: int | None
    max_memory: int | None
    autostart: bool
    persistent: bool
    title: str | None = None
    description: str | None = None
    template: str | None = None
    os_distro: str | None = None
    os_version: str | None = None
    graphics: VmGraphics | None = None


@dataclass(frozen=True, slots=True)
class VmDetails(Vm):
    """A VM with what costs a call or more each."""

    disks: tuple[VmDisk, ...] = ()
    nics: tuple[VmNic, ...] = ()
    snapshots: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    drift: tuple[str, ...] | None = None  # what differs from its template; None where that is not known


AnyVm = TypeVar("AnyVm", bound=Vm)

BASE_KEYS = ("name", "uuid", "state", "vcpus", "max_vcpus", "memory", "max_memory", "autostart", "persistent")
DESCRIBED_KEYS = ("title", "description", "template", "os_distro", "os_version", "graphics")


def find_domain(host: Host, name: str) -> Any:
    """The virDomain of that name, or of that UUID. Raises NotFound."""
    with asking(f"vm {name!r}"):
        try:
            return host.conn.lookupByName(name)
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_DOMAIN"):
                raise
        try:
            return host.conn.lookupByUUIDString(name)
        except host.lib.libvirtError:
            message, otherwise = f"vm {name!r} does not exist", "kimchictl vm list shows those that do"
            raise missing(host, message, name, lambda: names(host), otherwise) from None


def names(host: Host) -> set[str]:
    """The names of all VMs."""
    with asking(f"host {host.uri}: vm list"):
        return {domain.name() for domain in host.conn.listAllDomains(0)}


def list_vms(host: Host, described: bool = False) -> list[Vm]:
    """All VMs, by name ignoring case; one that vanishes meanwhile is left out."""
    lib = host.lib
    wanted = lib.VIR_DOMAIN_STATS_STATE | lib.VIR_DOMAIN_STATS_VCPU | lib.VIR_DOMAIN_STATS_BALLOON
    with asking(f"host {host.uri}: vm list"):
        # NOWAIT: a domain whose monitor hangs is not waited for.
        found = host.conn.getAllDomainStats(wanted, host.flag("CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT"))
        autostart = {d.UUID() for d in host.conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)}
        persistent = {d.UUID() for d in host.conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)}
    vms = []
    for domain, stats in found:
        for vm in _unless_gone(host, partial(_from_stats, domain, stats, autostart, persistent)):
            vms += _unless_gone(host, partial(_described, domain, vm)) if described else [vm]
    return sorted(vms, key=lambda vm: (vm.name.casefold(), vm.name))


def _unless_gone(host: Host, make: Callable[[], Vm]) -> list[Vm]:
    try:
        return [make()]
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return []
        with asking(f"host {host.uri}: vm list"):
            raise


def _from_stats(domain: Any, stats: dict[str, Any], autostart: set[bytes], persistent: set[bytes]) -> Vm:
    """From bulk statistics; what a driver leaves out of them is asked for."""
    names = ("state.state", "vcpu.current", "vcpu.maximum", "balloon.current", "balloon.maximum")
    values = [stats.get(name) for name in names]
    if None in values[1:]:
        state, most, memory, vcpus, _ = domain.info()
        values = [state, values[1] or vcpus, values[2] or vcpus, values[3] or memory, values[4] or most]
    return Vm(
        name=domain.name(),
        uuid=domain.UUIDString(),
        state=_state_name(values[0] or 0),
        vcpus=values[1],
        max_vcpus=values[2],
        memory=_bytes(values[3]),
        max_memory=_bytes(values[4]),
        autostart=domain.UUID() in autostart,
        persistent=domain.UUID() in persistent,
    )


def _state_name(number: int) -> str:
    return STATES[number] if 0 <= number < len(STATES) else "nostate"


def _bytes(kib: int | None) -> int | None:
    return None if kib is None else kib << 10


def _described(domain: Any, vm: Vm) -> Vm:
    return _with(vm, read_domain(domain.XMLDesc(0), vm.name))


def _with(vm: AnyVm, said: Description) -> AnyVm:
    return replace(
        vm,
        title=said.title,
        description=said.description,
        template=said.origin.template,
        os_distro=said.origin.os_distro,
        os_version=said.origin.os_version,
        graphics=said.graphics,
    )


def show_vm(host: Host, name: str) -> VmDetails:
    """One VM in full. Raises NotFound."""
    domain = find_domain(host, name)
    with asking(f"vm {domain.name()!r}"):
        said = read_domain(domain.XMLDesc(0), domain.name())
        state, most, memory, vcpus, _ = domain.info()
        details = VmDetails(
            name=domain.name(),
            uuid=domain.UUIDString(),
            state=_state_name(state),
            vcpus=vcpus,
            max_vcpus=domain.vcpusFlags(host.lib.VIR_DOMAIN_VCPU_MAXIMUM) if domain.isPersistent() else vcpus,
            memory=_bytes(memory),
            max_memory=_bytes(most),
            autostart=bool(domain.autostart()) if domain.isPersistent() else False,
            persistent=bool(domain.isPersistent()),
            disks=tuple(_measured(host, domain, disk) for disk in said.disks),
            nics=said.nics,
            snapshots=tuple(_snapshots(host, domain)),
            addresses=tuple(addresses(host, domain)) if _state_name(state) in ACTIVE else (),
        )
    return _with(details, said)


def describe(host: Host, name: str) -> Description:
    """What its XML says. Raises NotFound."""
    domain = find_domain(host, name)
    with asking(f"vm {name!r}"):
        return read_domain(domain.XMLDesc(0), name)


def running(host: Host) -> Iterator[tuple[str, Description]]:
    """(name, description) of every VM that is not off, as it runs."""
    with asking(f"host {host.uri}: vm list"):
        domains = host.conn.listAllDomains(host.lib.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    for domain in domains:
        try:
            yield domain.name(), read_domain(domain.XMLDesc(0), domain.name())
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_DOMAIN"):
                with asking(f"vm {domain.name()!r}"):
                    raise


def descriptions(host: Host) -> Iterator[tuple[str, Description]]:
    """(name, description) of every VM; of one that runs, also of what it will be at its next start."""
    with asking(f"host {host.uri}: vm list"):
        domains = host.conn.listAllDomains(0)
    for domain in domains:
        try:
            yield domain.name(), read_domain(domain.XMLDesc(0), domain.name())
            if domain.isActive() and domain.isPersistent():
                inactive = host.lib.VIR_DOMAIN_XML_INACTIVE
                yield domain.name(), read_domain(domain.XMLDesc(inactive), domain.name())
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_DOMAIN"):
                with asking(f"vm {domain.name()!r}"):
                    raise


def define(host: Host, name: str, document: str) -> None:
    """Define a new domain, validated by libvirt's own schema.

    Raises Exists for a name that is taken: libvirt refuses it, as the UUIDs differ; and Invalid.
    """
    try:
        with asking(f"vm {name!r} cannot be defined"):
            host.conn.defineXMLFlags(document, host.lib.VIR_DOMAIN_DEFINE_VALIDATE)
    except KimchiError:
        if name in names(host):
            raise Exists(f"vm {name!r} already exists", "choose another name") from None
        raise


def _measured(host: Host, domain: Any, disk: VmDisk) -> VmDisk:
    if disk.source is None or disk.device != "disk":
        return disk
    try:
        capacity, allocation, _physical = domain.blockInfo(disk.target)
    except host.lib.libvirtError:
        return disk  # its file is gone, or the driver cannot measure: unknown
    return replace(disk, capacity=capacity, allocation=allocation)


def drives(host: Host, domain: Any, live: bool) -> tuple[VmDisk, ...]:
    """The drives of a domain as it runs, or of its definition."""
    with asking(f"vm {domain.name()!r}"):
        document = domain.XMLDesc(0 if live else host.lib.VIR_DOMAIN_XML_INACTIVE)
        return read_domain(document, domain.name()).disks


def snapshot_names(host: Host, domain: Any) -> list[str]:
    """The names of its snapshots, sorted."""
    with asking(f"vm {domain.name()!r}"):
        return _snapshots(host, domain)


def _snapshots(host: Host, domain: Any) -> list[str]:
    try:
        return sorted(snapshot.getName() for snapshot in domain.listAllSnapshots(0))
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT"):
            return []
        raise


def addresses(host: Host, domain: Any) -> list[str]:
    """The guest's IP addresses, from leases, else from its agent; loopback and link-local ones left out."""
    lib = host.lib
    for source in (lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT):
        try:
            interfaces = domain.interfaceAddresses(source, 0)
        except lib.libvirtError:
            continue  # no lease file, no agent: the next source may know
        found = [entry["addr"] for value in interfaces.values() for entry in value.get("addrs") or ()]
        found = [address for address in found if not address.startswith(("127.", "169.254.", "fe80:", "::1"))]
        if found:
            return list(dict.fromkeys(found))
    return []


def state_of(host: Host, domain: Any) -> str:
    """Its state as a word; "gone" where it no longer exists."""
    try:
        return _state_name(domain.state(0)[0])
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return "gone"
        with asking(f"vm {domain.name()!r}"):
            raise


def check_name(name: str) -> None:
    """Raises Invalid for what libvirt takes for no name, or would make a path of."""
    if not name.strip() or name != name.strip():
        raise Invalid(f"vm name {name!r} is empty or has blanks at its ends")
    if "/" in name or name in (".", ".."):
        raise Invalid(f"vm name {name!r} cannot hold a '/' or be a directory")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise Invalid(f"vm name {name!r} holds a control character")
    if len(name.encode("utf-8", "surrogateescape")) > 200:
        raise Invalid(f"vm name {name[:20]!r}... is longer than 200 bytes")
