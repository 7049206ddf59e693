"""Look before leaping: everything that a VM needs is looked up on the host before anything is made.

Findings   what is wrong, all of it and not only the first, and what a person should know
plan_vms   plans for a request
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.volume_changes import require_known_chain
from kimchictl.actions.vms.access import why_unreadable
from kimchictl.actions.vms.plan_vm import (
    BLOCK_POOLS,
    IMAGES,
    PlannedSeed,
    PlannedVolume,
    Request,
    VmPlan,
    assemble,
    is_block,
    stem_of,
    volume_name,
)
from kimchictl.catalog.records import Disk, Network
from kimchictl.catalog.resolve import BUILT_IN
from kimchictl.errors import Exists, Failed, Invalid, KimchiError, NotFound, WrongState
from kimchictl.units import GIB, format_size
from kimchictl.virt.capabilities import ASSUMED, Machine, host_memory, read_capabilities
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.domainplan import Medium, medium
from kimchictl.virt.domain.machine import find_machine
from kimchictl.virt.storage import pools, presence, volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(slots=True)
class Findings:
    """What a look at the host brought: what is wrong, and what a person should know."""

    problems: list[KimchiError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self, look: Callable[[], object]) -> None:
        """Keep the error that `look` raises."""
        try:
            look()
        except KimchiError as error:
            if str(error) not in map(str, self.problems):
                self.problems.append(error)

    def raise_all(self, what: str) -> None:
        """Raise what is wrong, all in one sentence."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            kinds = {type(problem) for problem in self.problems}
            kind = kinds.pop() if len(kinds) == 1 else Invalid
            hints = dict.fromkeys(problem.hint for problem in self.problems if problem.hint)
            raise kind(f"{what} cannot be created: {'; '.join(map(str, self.problems))}", "; ".join(hints) or None)


def plan_vms(host: "Host", request: Request) -> tuple[list[VmPlan], Findings]:
    """A plan for each VM asked for, made as well as can be where something is wrong; the caller decides on that."""
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
    check_readable(host, wanted.location, findings)
    return Medium("block" if is_block(wanted.location) else "file", wanted.location)


def check_readable(host: "Host", path: str, findings: Findings) -> None:
    """Raises what keeps guests from reading the file at `path` of this machine."""
    if not host.is_local or (host.is_test and os.path.exists(path)):
        return
    if host.is_test:
        raise NotFound(f"image {path} does not exist")
    user = (os.geteuid(), os.getegid()) if host.is_session else read_capabilities(host).qemu_user
    if user is None:
        findings.notes.append(f"not checked whether guests can read {path}: as whom they run is not known")
    elif problem := why_unreadable(path, user):
        raise problem


class _Look:
    """One look at one host, for one request."""

    def __init__(self, host: "Host", request: Request) -> None:
        self.host, self.request = host, request
        self.template, self.origins = request.resolved.template, request.resolved.origins
        self.findings = Findings()
        self._active = pools.names(host, active_only=True)
        self._taken: dict[str, set[str]] = {}
        self._needed: dict[str, int] = {}
        self._blocks: set[str] = set()

    def plans(self) -> list[VmPlan]:
        names = self._names()
        machine = self._machine()
        networks = tuple(self._network(network) for network in self.template.networks or ())
        media = (*self._media(), *self._drivers())
        self.findings.check(self._check_memory)
        plans = []
        for name in names:
            planned = [self._volume(name, index, disk) for index, disk in enumerate(self.template.disks or ())]
            seed = self._seed(name, planned)
            plans.append(assemble(self.request, name, planned, media, machine, networks, self._blocks, seed))
        self._check_space()
        if plans and not self.findings.problems:
            self.findings.check(plans[0].xml)
        return plans

    def _names(self) -> list[str]:
        taken = domains.names(self.host)
        wanted, count = self.request.name, self.request.count
        if wanted is not None:
            names = [wanted] if count == 1 else [f"{wanted}-{number}" for number in range(1, count + 1)]
        else:
            free = (f"{stem_of(self.request)}-vm-{number}" for number in range(1, len(taken) + count + 1))
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

    # -- pools and volumes

    def _volume(self, vm: str, index: int, disk: Disk) -> PlannedVolume:
        pool, kind, path = self._pool(index, disk)
        form = "raw" if kind in BLOCK_POOLS and disk.base is None else disk.format or "qcow2"
        name = volume_name(vm, form, self._taken[pool])
        self._taken[pool].add(name)
        base = self._base(disk)
        size = max((disk.size or 0) * GIB, _rounded(base.capacity or 0) if base else 0) or GIB
        self._needed[pool] = self._needed.get(pool, 0) + size
        if kind in BLOCK_POOLS:
            self._blocks.add(pool)
        where = f"{(path or IMAGES).rstrip('/')}/{name}"
        if base is None:
            return PlannedVolume(pool, name, where, size, form)
        return PlannedVolume(pool, name, where, size, form, base.path, base.format or "raw")

    def _seed(self, vm: str, planned: list[PlannedVolume]) -> PlannedSeed | None:
        """Beside the first disk; without one in the pool that it would be in."""
        if self.request.user_data is None:
            return None
        pool, _, path = self._pool(0, Disk(pool=planned[0].pool if planned else None))
        pool = planned[0].pool if planned else pool
        name = volume_name(f"{vm}-seed", "iso", self._taken[pool])
        self._taken[pool].add(name)
        return PlannedSeed(pool, name, f"{(path or IMAGES).rstrip('/')}/{name}", self.request.user_data)

    def _pool(self, index: int, disk: Disk) -> tuple[str, str, str | None]:
        """(name, type, directory) of the pool for a disk; what is wrong with it is kept."""
        name = self.request.pool or disk.pool or "default"
        if self.request.pool is None and self.origins.get(f"disks[{index}].pool", BUILT_IN) == BUILT_IN:
            name = self._default_pool(name)
        kind, path = "dir", None
        if name not in self._taken:
            self._taken[name] = set()
            self.findings.check(lambda: self._taken[name].update(volumes.names(self.host, name)))
        if name in self._active:
            kind, path, _ = pools.outline(self.host, name)
        return name, kind, path

    def _default_pool(self, name: str) -> str:
        """`name` if it is active, else the only active pool; the problem is kept if there is neither."""
        if name in self._active:
            return name
        if len(self._active) == 1:
            return self._active[0]
        if self._active:
            raised: KimchiError = NotFound(
                "no pool is named, and several are active: " + ", ".join(self._active), "choose one with --pool"
            )
        elif presence.pool_state(self.host, name) == "inactive":
            raised = WrongState(f"pool {name!r} is inactive", f"kimchictl pool start {quote(name)}")
        else:
            path = os.path.expanduser("~/.local/share/libvirt/images") if self.host.is_session else IMAGES
            raised = NotFound(
                "no storage pool is active",
                f"kimchictl pool create {quote(name)} --type dir --path {quote(path)} --start",
            )
        self._taken.setdefault(name, set())
        self.findings.check(lambda: _raise(raised))
        return name

    def _base(self, disk: Disk) -> volumes.Volume | None:
        if disk.base is None:
            return None
        found: volumes.Volume | None = None

        def look() -> None:
            nonlocal found
            found = self._find_base(disk.base or "")

        self.findings.check(look)
        return found

    def _find_base(self, location: str) -> volumes.Volume:
        if location.startswith("pool:"):
            pool, _, name = location.removeprefix("pool:").partition("/")
            volume = volumes.find_volume(self.host, pool, name)
        else:
            found = volumes.find_by_path(self.host, location)
            if found is None:
                directory = os.path.dirname(location)
                raise NotFound(
                    f"base image {location} is in no active pool of the host",
                    f"kimchictl pool create NAME --type dir --path {quote(directory)} --start",
                )
            volume = found
        if volume.backing is not None:
            require_known_chain(self.host, volume)  # an editor, an import or a later change may have brought it
        if volume.path and self.host.is_local and not self.host.is_test:
            check_readable(self.host, volume.path, self.findings)
        return volume

    def _check_space(self) -> None:
        for name, needed in self._needed.items():
            if name not in self._active:
                continue
            kind, _, available = pools.outline(self.host, name)
            short = f"{format_size(needed)} for disks, and {format_size(available)} are available"
            if needed > available and kind in BLOCK_POOLS:
                self.findings.problems.append(Failed(f"pool {name!r} needs {short}", "choose another one with --pool"))
            elif needed > available:
                self.findings.notes.append(f"pool {name!r} may run full: it may need {short}")

    # -- networks

    def _network(self, network: Network) -> Network:
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


def require_network(host: "Host", name: str) -> None:
    """Raises NotFound, WrongState for a network that is not there, or not active."""
    state = presence.network_state(host, name)
    if state is None:
        raise NotFound(f"network {name!r} does not exist", "kimchictl network list shows those that do; --network user")
    if state != "active":
        raise WrongState(f"network {name!r} is inactive", f"kimchictl network start {quote(name)}")


def _raise(error: KimchiError) -> None:
    raise error


def _rounded(size: int) -> int:
    """`size` bytes, up to whole GiB."""
    return -(-size // GIB) * GIB
