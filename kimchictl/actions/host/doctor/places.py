"""The doctor's look at what VMs are put on: storage pools and networks."""

import os
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.host.findings import FAIL, OK, WARN, Finding
from kimchictl.actions.vms.create.plan_vm import IMAGES
from kimchictl.errors import WrongState
from kimchictl.units import GIB, format_size
from kimchictl.virt.storage import pools, presence
from kimchictl.virt.storage.pools import Pool

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_LITTLE = 5 * GIB


def pool(host: "Host", name: str) -> list[Finding]:
    """Is there the pool that disks go to where a template names none: `name`, or the only one that is active?"""
    found = [each for each in pools.list_pools(host) if each.active]
    active = [each.name for each in found]
    dead = _dead(found)
    if name in active:
        return dead or [Finding("pool", OK, f"pool {name!r} is active")]
    if len(active) == 1:
        return dead or [Finding("pool", OK, f"pool {active[0]!r} is the only active one, and taken by default")]
    if active:
        message = f"there is no active pool {name!r}, and several others: each template or VM has to name one"
        fix = f'pool = "{active[0]}" in the section template of the configuration'
        return [*dead, Finding("pool", WARN, message, fix)]
    if presence.pool_state(host, name) == "inactive":
        return [Finding("pool", FAIL, f"pool {name!r} is not active", f"kimchictl pool start {quote(name)}")]
    path = os.path.expanduser("~/.local/share/libvirt/images") if host.is_session else IMAGES
    fix = f"kimchictl pool create {quote(name)} --type dir --path {quote(path)} --start"
    return [Finding("pool", FAIL, "there is no active storage pool: VMs have no place for their disks", fix)]


def _dead(active: list[Pool]) -> list[Finding]:
    """Pools whose storage does not answer, as `pool list` finds it: VMs with disks there do not start either."""
    findings = []
    for each in active:
        try:
            presence.require_usable(each)
        except WrongState as error:
            findings.append(Finding("pool", FAIL, str(error), error.hint))
    return findings


def network(host: "Host", name: str) -> list[Finding]:
    """Is there the network that guests get where a template names none?"""
    if name == "user" or name.startswith("bridge="):
        return [Finding("network", OK, f"guests get {name} by default")]
    active = presence.active_networks(host)
    if name in active:
        return [Finding("network", OK, f"network {name!r} is active")]
    if len(active) == 1:
        return [Finding("network", OK, f"network {active[0]!r} is the only active one, and taken by default")]
    if host.is_session:
        return [Finding("network", OK, "no network is active: guests get user networking")]
    if presence.network_state(host, name) == "inactive":
        return [Finding("network", FAIL, f"network {name!r} is not active", f"kimchictl network start {quote(name)}")]
    fix = "virsh net-define /usr/share/libvirt/networks/default.xml && kimchictl network start default"
    return [Finding("network", FAIL, f"there is no network {name!r}: VMs must name one, or --network user", fix)]


def pool_space(host: "Host") -> list[Finding]:
    """Pools that are nearly full. They are asked as libvirt knows them: one that hangs costs nothing."""
    free = {name: pools.outline(host, name)[2] for name in pools.names(host, active_only=True)}
    little = {name: space for name, space in free.items() if space < _LITTLE}
    if free and not little:
        said = "the active pool has room" if len(free) == 1 else f"{len(free)} active pools have room"
        return [Finding("pool space", OK, said)]
    fix = "kimchictl volume orphans shows what nothing uses"
    return [
        Finding("pool space", WARN, f"pool {name!r} has {format_size(space)} left", fix)
        for name, space in little.items()
    ]
