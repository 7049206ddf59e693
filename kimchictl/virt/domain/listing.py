"""All domains, in a constant number of calls however many there are.

Vm          one VM as it is printed; the keys are the contract of the command line
list_vms    all of them: three calls; one more for each VM with `described`

A list of thousands is what a shell waits for: its records are named tuples, and what reads XML is loaded when asked.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from kimchictl.errors import Disconnected, TimedOut
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import within

if TYPE_CHECKING:
    from kimchictl.virt.domain.domainread import Description, VmDisk, VmGraphics, VmHostdev, VmNic

# virDomainState, in its order.
STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
STARTING = "starting"  # not one of libvirt's: paused, until a start is through
ACTIVE = ("running", "blocked", "paused", "shutdown", "crashed", "pmsuspended", STARTING)

PATIENCE = 5.0  # seconds; a thousand guests that run take one


class Vm(NamedTuple):
    """`memory` and `max_memory` are bytes. A list has the keys up to `persistent`, and up to `graphics` if asked for.

    What follows costs a call or more each; `drift` is what differs from its template, None where that is not known;
    of `displays` `graphics` is the first.
    """

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
    graphics: "VmGraphics | None" = None
    disks: "tuple[VmDisk, ...]" = ()
    nics: "tuple[VmNic, ...]" = ()
    snapshots: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    drift: tuple[str, ...] | None = None
    displays: "tuple[VmGraphics, ...]" = ()
    hostdevs: "tuple[VmHostdev, ...]" = ()

    def with_description(self, said: "Description") -> "Vm":
        """With what its XML says."""
        return self._replace(
            title=said.title,
            description=said.description,
            template=said.origin.template,
            os_distro=said.origin.os_distro,
            os_version=said.origin.os_version,
            graphics=said.graphics,
        )


BASE_KEYS = Vm._fields[:9]
DESCRIBED_KEYS = Vm._fields[9:15]
DETAIL_KEYS = Vm._fields[15:]


def list_vms(host: Host, described: bool = False) -> list[Vm]:
    """All VMs, by name ignoring case; one that vanishes meanwhile is left out."""
    lib = host.lib
    wanted = lib.VIR_DOMAIN_STATS_STATE | lib.VIR_DOMAIN_STATS_VCPU | lib.VIR_DOMAIN_STATS_BALLOON
    vms = []
    with asking(f"host {host.uri}: vm list"):
        found = _stats(host, wanted)
        autostart = {d.UUID() for d in host.conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)}
        transient = {d.UUID() for d in host.conn.listAllDomains(lib.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
        for domain, stats in found:
            try:
                vm = _from_stats(domain, stats, autostart, transient)
                vms.append(_described(domain, vm) if described else vm)
            except lib.libvirtError as error:
                if not is_code(error, "NO_DOMAIN"):
                    raise
    return sorted(vms, key=lambda vm: (vm.name.casefold(), vm.name))


def _stats(host: Host, wanted: int) -> Any:
    """[(domain, statistics)]. Raises Disconnected where a guest hangs; another connection then gets the others.

    NOWAIT leaves out what a guest would have to be asked that is being asked already. Whoever asks one first that hangs
    waits for it, and so does, at times, what is asked next over the same connection.
    """
    nowait = host.flag("CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT")
    try:
        return within(PATIENCE, "a guest", lambda: host.conn.getAllDomainStats(wanted, nowait))
    except TimedOut:
        host.stuck = True
        message = f"host {host.uri}: vm list: the hypervisor of a VM does not answer"
        raise Disconnected(message, "virsh domstats --nowait NAME tells of each") from None


def _from_stats(domain: Any, stats: dict[str, Any], autostart: Collection[bytes], transient: Collection[bytes]) -> Vm:
    """From bulk statistics; what a driver leaves out of them is asked for."""
    names = ("state.state", "vcpu.current", "vcpu.maximum", "balloon.current", "balloon.maximum")
    state, vcpus, most_vcpus, memory, most = map(stats.get, names)
    if vcpus is None or most_vcpus is None or memory is None or most is None:
        state, top, now, count, _ = domain.info()
        vcpus, most_vcpus, memory, most = vcpus or count, most_vcpus or count, memory or now, most or top
    uuid = domain.UUID()
    return Vm(
        domain.name(),
        domain.UUIDString(),
        state_name(state or 0),
        vcpus,
        most_vcpus,
        memory << 10,
        most << 10,
        uuid in autostart,
        uuid not in transient,
    )


def state_name(number: int) -> str:
    """virDomainState as a word."""
    return STATES[number] if 0 <= number < len(STATES) else "nostate"


def _described(domain: Any, vm: Vm) -> Vm:
    from kimchictl.virt.domain.domainread import read_domain

    return vm.with_description(read_domain(domain.XMLDesc(0), vm.name))
