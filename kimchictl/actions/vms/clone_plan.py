"""What a copy of a VM that is off will be; and that its source is, at the end, as it was when that was planned."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.space import require_space
from kimchictl.actions.storage.uses import uses_of
from kimchictl.actions.vms.carry_nvram import look_for_variables
from kimchictl.actions.vms.create.unfinished import volumes_look
from kimchictl.actions.vms.vm_usage import as_raw, disk_volume, label
from kimchictl.catalog.naming import clone_name, numbered_clone
from kimchictl.errors import Exists, InUse, WrongState
from kimchictl.virt import xml
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.definition import read_definition
from kimchictl.virt.domain.domainread import Description, VmDisk
from kimchictl.virt.domain.undefine import belongings_of
from kimchictl.virt.storage import pools, presence
from kimchictl.virt.storage.volumes import BLOCK_POOLS, Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


_ONE_BY_ONE = "clone it again when it is off; linked clones of one VM are made one after the other"


@dataclass(frozen=True, slots=True)
class ClonePlan:
    """`own` are the disks to copy with the volumes they are; `notes` what the clone shares or gets anew.

    `before` is the definition of the source, `looks` how those volumes look: both must still be so at the end.
    """

    source: str
    name: str
    own: tuple[tuple[VmDisk, Volume], ...]
    notes: tuple[str, ...]
    before: str = field(repr=False)
    looks: dict[str, str]


def called(host: "Host", name: str, new: str | None) -> str | Callable[[int], str]:
    """`new`, or what makes the clone of the VM `name` a name of a number. Raises NotFound."""
    return new if new is not None else partial(numbered_clone, domains.find_domain(host, name).name())


def plan_clone(host: "Host", name: str, new: str | None, linked: bool) -> ClonePlan:
    """Look before leaping. Raises NotFound, Exists, WrongState, InUse, Invalid."""
    domain = domains.find_domain(host, name)
    name = domain.name()
    taken = domains.names(host)
    title = new if new is not None else clone_name(name, taken)
    domains.check_name(title)
    if title in taken:
        raise Exists(f"vm {title!r} already exists", "choose another name")
    state = domains.state_of(host, domain)
    if state != "shutoff":
        raise WrongState(f"vm {name!r} is {state} and cannot be cloned", f"kimchictl vm stop {quote(name)}")
    if linked and domains.snapshot_names(host, domain):
        raise WrongState(
            f"vm {name!r} has snapshots, which its new disks would not", "clone it in full, or delete them first"
        )
    before = xml.serialize(read_definition(host, domain))
    said = domains.describe(host, name)
    if said.uefi:
        look_for_variables(host, title)
    own, notes = [], [*_one_at_a_time(name, said, before)]
    if belongings_of(host, domain).saved:
        if linked:
            unsafe = f"vm {name!r} has saved memory, which would go on with its present disks"
            raise WrongState(unsafe, f"kimchictl vm start {quote(name)}, and stop it")
        notes.append(f"vm {name!r} has saved memory: the clone's disks are as after a power cut")
    for disk in domains.drives(host, domain, live=False):
        if disk.source is None or disk.device != "disk":
            continue
        if disk.readonly or disk.shareable:
            notes.append(f"disk {disk.target!r}, {disk.source}, is shared with vm {name!r}")
            continue
        own.append((disk, volume_of(host, name, disk, linked)))
    looks = volumes_look(host, _places(own))
    return ClonePlan(name, title, tuple(own), tuple(notes), before, looks)


def _one_at_a_time(name: str, said: Description, before: str) -> Iterator[str]:
    """What of the host both VMs name though it has but one: a sentence for each."""
    only = f"as with vm {name!r}: only one of them can run at a time"
    for device in said.hostdevs:
        yield f"the clone has the host's {device.type} device {device.name or 'of no name'}, {only}"
    for kind, host, port in dict.fromkeys(_listening(xml.parse(before, f"vm {name!r}"))):
        yield f"the clone listens at {kind} port {port} of {host}, {only}"


def _listening(root: xml.Element) -> Iterator[tuple[str, str, str]]:
    """(tcp or udp, host, port) of what serial ports and the like listen at; formatdomain, TCP client/server."""
    for kind in ("serial", "console", "parallel", "channel"):
        for device in root.findall(f"devices/{kind}"):
            for source in device.findall("source[@mode='bind'][@service]"):
                yield device.get("type") or "tcp", source.get("host") or "the host", source.get("service") or ""


def _places(own: Iterable[tuple[VmDisk, Volume]]) -> list[tuple[str, str]]:
    return [(volume.pool, volume.name) for _, volume in own]


def check_space(host: "Host", plan: ClonePlan, pool: str | None, linked: bool) -> None:
    """Whether its disks fit, in `pool` or each where its original is; linked, the source gets new ones there, too.

    Raises Failed where they cannot; where they may not, that is noted.
    """
    needed: Counter[str] = Counter()
    for _, volume in plan.own:
        for place in (pool or volume.pool, *((volume.pool,) if linked else ())):
            needed[place] += volume.capacity or 0
    for name, size in needed.items():
        there = presence.usable_pool(host, name)
        require_space(name, size, there.available, there.type in BLOCK_POOLS, host.note)


def require_as_planned(host: "Host", plan: ClonePlan) -> None:
    """Raises InUse where the source was started, changed or written since."""
    domain = domains.find_domain(host, plan.source)
    same = domains.state_of(host, domain) == "shutoff" and xml.serialize(read_definition(host, domain)) == plan.before
    if not same or volumes_look(host, _places(plan.own)) != plan.looks:
        raise InUse(f"vm {plan.source!r} was started or changed while it was cloned", _ONE_BY_ONE)


def volume_of(host: "Host", name: str, disk: VmDisk, linked: bool = False) -> Volume:
    """The volume that a disk of the VM `name` is. Raises WrongState, NotFound; and InUse, if it is to back others."""
    found = disk_volume(host, disk)
    if found is None:
        for pool in pools.pools_at(host, os.path.dirname(disk.source or "")):
            presence.usable_pool(host, pool)
        raise WrongState(
            f"disk {disk.target!r} of vm {name!r}, {disk.source}, is in no active pool, and cannot be cloned",
            "kimchictl pool create NAME --type dir --path DIRECTORY --start",
        )
    others = uses_of(host, [found]).vms(label(found)) - {name} if linked else set()
    if others:
        users = ", ".join(f"vm {name!r}" for name in sorted(others))
        raise InUse(f"volume {found.name!r} is in use by {users} too: nobody may write it again", "clone it in full")
    if linked and (found.type != "file" or disk.format not in ("qcow2", "raw")):
        raise WrongState(f"disk {disk.target!r} of vm {name!r} cannot back another one", "clone it in full")
    return as_raw(found) if disk.format == "raw" else found  # what its guest wrote there is no header
