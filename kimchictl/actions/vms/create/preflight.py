"""Look before leaping: everything that a VM needs is looked up on the host before anything is made.

plan_vms     plans for a request, and what is wrong
find_medium  an image as the host has it
"""

from dataclasses import replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.vms.carry_nvram import look_for_variables
from kimchictl.actions.vms.create.access import check_readable
from kimchictl.actions.vms.create.findings import Findings
from kimchictl.actions.vms.create.plan_storage import PlannedStorage
from kimchictl.actions.vms.create.plan_vm import Request, VmPlan, assemble, is_block
from kimchictl.catalog.records import Network
from kimchictl.catalog.resolve import BUILT_IN
from kimchictl.errors import Exists, Invalid, KimchiError, NotFound, WrongState, did_you_mean
from kimchictl.virt.capabilities import ASSUMED, Machine, host_memory
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.domainplan import Medium, medium
from kimchictl.virt.domain.machine import find_machine, wants_uefi
from kimchictl.virt.models import missing_devices
from kimchictl.virt.storage import presence, volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def plan_vms(host: "Host", request: Request) -> tuple[list[VmPlan], Findings]:
    """A plan for each VM asked for, one at least, as good as can be where something is wrong: the caller decides."""
    look = _Look(host, request)
    return look.plans(), look.findings


def find_medium(host: "Host", wanted: Medium, findings: Findings) -> Medium:
    """`wanted` as the host has it. Raises what is wrong with it; keeps what a person should know."""
    if wanted.kind == "network":
        return wanted
    if wanted.kind == "volume":
        pool, _, name = wanted.location.partition("/")
        volume = volumes.find_volume(host, pool, name)
        if volume.type not in ("file", "block") or volume.path is None:
            return wanted
        wanted = Medium(volume.type, volume.path)
    elif not host.is_local:
        volume_there = volumes.find_by_path(host, wanted.location)
        if volume_there is None:
            findings.notes.append(f"not checked whether {wanted.location} exists on {host.uri}")
            return medium(wanted.location, wanted.location.startswith("/dev/"))
        return Medium("block" if volume_there.type == "block" else "file", wanted.location)
    check_readable(host, wanted.location, findings.notes)
    return Medium("block" if is_block(wanted.location) else "file", wanted.location)


class _Look:
    """One look at one host, for one request."""

    def __init__(self, host: "Host", request: Request) -> None:
        self.host, self.request = host, request
        self.template, self.origins = request.resolved.template, request.resolved.origins
        self.findings = Findings()

    def plans(self) -> list[VmPlan]:
        names = self._names()
        machine = self._machine()
        networks = tuple(self._network(network) for network in self.template.networks or ())
        media = (*self._media(), *self._drivers())
        self.findings.check(self._check_memory)
        self.findings.problems += missing_devices(self.host, self.template, machine)
        storage = PlannedStorage(self.host, self.request, self.findings)
        plans = []
        for name in names:
            if wants_uefi(self.template, machine):
                self.findings.check(partial(look_for_variables, self.host, name))
            planned, seed = storage.disks(name), storage.seed(name)
            plans.append(assemble(self.request, name, planned, media, machine, networks, storage.blocks, seed))
        storage.check_space()
        if not self.findings.problems:
            self.findings.check(plans[0].xml)
        return plans

    def _names(self) -> list[str]:
        taken = domains.names(self.host)
        wanted, count = self.request.name, self.request.count
        if self.request.names:
            names = list(self.request.names)
        elif wanted is not None and not self.request.is_numbered:
            names = [wanted]
        else:
            free = (f"{self.request.stem}-{number}" for number in range(1, len(taken) + count + 1))
            names = [name for name in free if name not in taken][:count]
        for name in names:
            self.findings.check(partial(domains.check_name, name))
            if name in taken:
                self.findings.problems.append(Exists(f"vm {name!r} already exists", "choose another name"))
        return names

    def _machine(self) -> Machine:
        found = ASSUMED

        def look() -> None:
            nonlocal found
            found = find_machine(self.host, self.template)

        self.findings.check(look)
        if found.virt_type == "qemu" and self.template.virt_type in (None, "auto"):
            self.findings.notes.append("the host does not offer KVM: the guest is emulated, and slow")
        return found

    def _media(self) -> tuple[Medium, ...]:
        location = self.template.cdrom
        if location is None:
            return ()
        found = medium(location)

        def look() -> None:
            nonlocal found
            found = find_medium(self.host, found, self.findings)

        self.findings.check(look)
        return (found,)

    def _drivers(self) -> tuple[Medium, ...]:
        """A disc that nobody asked for, but which helps: what is wrong with it stops nothing."""
        location = self.request.drivers
        if location is None or location == self.template.cdrom:
            return ()
        try:
            found = find_medium(self.host, medium(location), self.findings)
        except KimchiError as error:
            self.findings.notes.append(f"the disc with drivers is left out: {error}")
            return ()
        self.findings.notes.append(f"the disc with drivers, {location}, is in a second drive")
        return (found,)

    def _check_memory(self) -> None:
        wanted = max(self.template.memory or 0, self.template.max_memory or 0)
        there = host_memory(self.host)
        if wanted > there:
            raise Invalid(f"memory {wanted} MiB is above the {there} MiB of the host", "give it less with --memory")

    # -- networks

    def _network(self, network: Network) -> Network:
        if lacks_bridge(self.host, network):
            if self.request.start:
                hint = "name another one with --network, or leave --start out"
                self.findings.problems.append(NotFound(f"bridge {network.name!r} is not there", hint))
            else:
                self.findings.notes.append(no_bridge(network))
        if network.type != "network":
            return network
        if self.origins.get("networks", BUILT_IN) == BUILT_IN:
            network = self._default_network(network)
        if network.type == "network":
            self.findings.check(lambda: require_network(self.host, network.name or ""))
        return network

    def _default_network(self, network: Network) -> Network:
        """The one of the template if it is active, else the only active one; in a session else user networking."""
        active = presence.active_networks(self.host)
        if network.name in active:
            return network
        if len(active) == 1:
            return replace(network, name=active[0])
        if not active and self.host.is_session:
            self.findings.notes.append("no network is active: the guest gets user networking")
            return replace(network, type="user", name=None)
        return network


def lacks_bridge(host: "Host", network: Network) -> bool:
    """Whether the host says that it has no such bridge."""
    return network.type == "bridge" and presence.has_bridge(host, network.name or "") is False


def no_bridge(network: Network) -> str:
    """What that means, as a sentence."""
    return f"bridge {network.name!r} is not there: the guest cannot start before it is"


def require_network(host: "Host", name: str) -> None:
    """Raises NotFound, WrongState for a network that is not there, or not active."""
    state = presence.network_state(host, name)
    if state is None:
        otherwise = "kimchictl network list shows those that do; user networking needs none"
        known = presence.active_networks(host)
        raise NotFound(f"network {name!r} does not exist", did_you_mean(name, known, otherwise))
    if state != "active":
        raise WrongState(f"network {name!r} is inactive", f"kimchictl network start {quote(name)}")
