"""Who needs a volume, asked before something is done to it."""

from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.vms.vm_usage import as_known, as_raw, children_of, find_users, raw_paths
from kimchictl.errors import InUse
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def require_unused(host: "Host", volume: Volume) -> None:
    """Raises InUse, naming them, if VMs, templates or other volumes need `volume`."""
    if volume.used_by:
        raise InUse(f"{_what(volume)} is in use by {', '.join(volume.used_by)}")
    require_childless(host, volume)


def require_childless(host: "Host", volume: Volume) -> None:
    """Raises InUse, naming them, if `volume` backs others: they would be lost with it, or changed."""
    if children := children_of(volume.path or "", all_volumes(host)):
        raise InUse(f"{_what(volume)} backs {', '.join(children)}")


def all_volumes(host: "Host") -> list[Volume]:
    """The volumes of all active pools, which are refreshed first; of those that do not answer, what was last known."""
    return as_known(_as_they_look(host), find_users(host))


def _as_they_look(host: "Host") -> list[Volume]:
    active = [pool for pool in pools.list_pools(host) if pool.active]
    return [
        each
        for pool in active
        for each in volumes.list_volumes(host, pool.name, pool.stale and pool.type in FILE_POOLS)
    ]


def require_still(host: "Host", volume: Volume) -> None:
    """Raises InUse if a VM that is not off can write to `volume`."""
    if writers := writers_of(host, volume):
        raise InUse(f"{_what(volume)} is in use by vm {', '.join(writers)}", f"kimchictl vm stop {quote(writers[0])}")


def writers_of(host: "Host", volume: Volume) -> list[str]:
    """The VMs that are not off and have `volume` as a disk that they can write to, sorted."""
    found = set()
    for name, said in domains.running(host):
        for disk in said.disks:
            here = disk.source in (volume.path, f"pool:{volume.pool}/{volume.name}")
            if disk.source and here and not disk.readonly and disk.device == "disk":
                found.add(name)
    return sorted(found)


def known_as_raw(host: "Host", volume: Volume) -> bool:
    """Whether a VM has `volume` as a raw disk, or below one: then what its guest wrote there is no header."""
    return volume.path in raw_paths([*_as_they_look(host), volume], find_users(host))


def known(host: "Host", volume: Volume) -> Volume:
    """`volume` as what it is known to be: one known as raw has its length, and nothing that backs it."""
    if volume.format in ("raw", "iso", None) or not known_as_raw(host, volume):
        return volume
    return as_raw(volume)


def _what(volume: Volume) -> str:
    return f"volume {volume.name!r} of pool {volume.pool!r}"
