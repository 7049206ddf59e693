"""Single domains: found, looked at, defined. All of them at once are in listing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kimchictl.errors import Exists, Invalid, KimchiError, TimedOut
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import answered, within
from kimchictl.virt.domain.domainread import Description, VmDisk, read_domain
from kimchictl.virt.domain.listing import ACTIVE, PATIENCE, STARTING, Vm, state_name
from kimchictl.virt.missing import missing
from kimchictl.virt.storage.volumes import find_volume, place_of


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


def show_vm(host: Host, name: str) -> Vm:
    """One VM in full. Raises NotFound."""
    domain = find_domain(host, name)
    with asking(f"vm {domain.name()!r}"):
        said = read_domain(domain.XMLDesc(0), domain.name())
        state, most, memory, vcpus, _ = domain.info()
        details = Vm(
            name=domain.name(),
            uuid=domain.UUIDString(),
            state=state_name(state),
            vcpus=vcpus,
            max_vcpus=domain.vcpusFlags(host.lib.VIR_DOMAIN_VCPU_MAXIMUM) if domain.isPersistent() else vcpus,
            memory=memory << 10,
            max_memory=most << 10,
            autostart=bool(domain.autostart()) if domain.isPersistent() else False,
            persistent=bool(domain.isPersistent()),
            nics=said.nics,
            displays=said.displays,
            hostdevs=said.hostdevs,
            snapshots=tuple(_snapshots(host, domain)),
            addresses=tuple(addresses(host, domain)) if state_name(state) in ACTIVE else (),
        )
    return details.with_description(said)._replace(disks=_measured(host, domain, _placed(host, said.disks)))


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
    """(name, description) of every VM; also of what one that runs will be at its next start, and of saved memory."""
    with asking(f"host {host.uri}: vm list"):
        domains = host.conn.listAllDomains(0)
        saved = {each.name() for each in host.conn.listAllDomains(host.lib.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)}
    for domain in domains:
        try:
            for said in _all_of(host, domain, domain.name() in saved):
                yield domain.name(), said
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_DOMAIN"):
                with asking(f"vm {domain.name()!r}"):
                    raise


def all_of(host: Host, domain: Any) -> list[Description]:
    """What one VM is, what it will be at its next start if it runs, and what its saved memory brings back."""
    with asking(f"vm {domain.name()!r}"):
        return list(_all_of(host, domain, has_saved(host, domain)))


def _all_of(host: Host, domain: Any, saved: bool) -> Iterator[Description]:
    yield read_domain(domain.XMLDesc(0), domain.name())
    if domain.isActive() and domain.isPersistent():
        yield read_domain(domain.XMLDesc(host.lib.VIR_DOMAIN_XML_INACTIVE), domain.name())
    if saved and (document := _saved_xml(host, domain)):
        yield read_domain(document, domain.name())


def _saved_xml(host: Host, domain: Any) -> str | None:
    """What a domain was when its memory was saved; None if it was started since."""
    try:
        return str(domain.managedSaveGetXMLDesc(0))
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT", "OPERATION_INVALID"):
            return None
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


def _placed(host: Host, disks: tuple[VmDisk, ...]) -> tuple[VmDisk, ...]:
    """`disks` with the volumes that they are; libvirt does not tell while it refreshes a pool that hangs."""
    try:
        return within(PATIENCE, "storage pools", lambda: tuple(_with_volume(host, disk) for disk in disks))
    except TimedOut:
        host.stuck = True
        return disks


def _with_volume(host: Host, disk: VmDisk) -> VmDisk:
    if disk.pool or not disk.source or not disk.source.startswith("/"):
        return disk
    pool, volume = place_of(host, disk.source)
    return replace(disk, pool=pool, volume=volume)


def _measured(host: Host, domain: Any, disks: tuple[VmDisk, ...]) -> tuple[VmDisk, ...]:
    """`disks` with what libvirt knows of their sizes; for a running guest it asks the hypervisor, which may hang."""
    try:
        return answered(domain.name(), lambda: tuple(_with_sizes(host, domain, disk) for disk in disks), PATIENCE)
    except TimedOut as error:
        host.stuck = True
        host.note(f"{error}: the sizes of its disks are unknown")
        return disks


def _with_sizes(host: Host, domain: Any, disk: VmDisk) -> VmDisk:
    if disk.source is None or disk.device != "disk":
        return disk
    try:
        capacity, allocation, _physical = domain.blockInfo(disk.target)
    except host.lib.libvirtError:  # its file is gone, the driver cannot measure, or it is off and names a volume
        return _with_sizes_of_volume(host, disk)
    return replace(disk, capacity=capacity, allocation=allocation)


def _with_sizes_of_volume(host: Host, disk: VmDisk) -> VmDisk:
    """libvirt looks for the volume that a <disk type='volume'> names only when it starts."""
    if not disk.pool or not disk.volume:
        return disk
    try:
        found = find_volume(host, disk.pool, disk.volume)
    except KimchiError:
        return disk
    misread = disk.format == "raw" and found.format not in ("raw", "iso", None)  # its guest wrote that header
    return replace(disk, capacity=found.physical if misread else found.capacity, allocation=found.allocation)


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
    """The guest's IP addresses, from leases, then from its agent where not every interface has a lease.

    Loopback and link-local ones are left out, and what is not on an interface of the VM, as a bridge for containers.
    """
    lib, found = host.lib, list[dict[str, Any]]()
    macs = {nic.mac for nic in read_domain(domain.XMLDesc(0), domain.name()).nics}
    for source in (lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, lib.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT):
        if found and len(found) >= len(macs):
            break
        try:
            there = list(domain.interfaceAddresses(source, 0).values())
        except lib.libvirtError:
            continue  # no lease file, no agent: the next source may know
        # A card of the host's that was handed to the guest is no interface of its definition.
        found += [each for each in there if each.get("hwaddr") in macs] or there
    listed = (entry["addr"] for value in found for entry in value.get("addrs") or ())
    return [each for each in dict.fromkeys(listed) if not each.startswith(("127.", "169.254.", "fe80:", "::1"))]


def state_of(host: Host, domain: Any) -> str:
    """Its state as a word; "gone" where it no longer exists, "starting" until a start has made it run.

    To libvirt, and in lists, it is paused meanwhile; but nobody paused it, and nobody has to let it run on.
    """
    try:
        state, reason = domain.state(0)
        starting = (host.lib.VIR_DOMAIN_PAUSED, host.lib.VIR_DOMAIN_PAUSED_STARTING_UP)
        return STARTING if (state, reason) == starting else state_name(state)
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return "gone"
        with asking(f"vm {domain.name()!r}"):
            raise


def note_saved(host: Host, domain: Any) -> None:
    """Say of a `domain` that was changed, and that starts from saved memory, what that means."""
    if has_saved(host, domain):
        host.note(f"vm {domain.name()!r} has saved memory: it starts as it was then; the change counts from then on")


def has_saved(host: Host, domain: Any) -> bool:
    """Whether `domain` will start from saved memory, with the devices that it had then."""
    try:
        return bool(domain.hasManagedSaveImage(0))
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT"):
            return False
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
