"""A pool taken away: its definition alone, or with all that is in it."""

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.listing import list_pools
from kimchictl.actions.storage.uses import Templates, look_around
from kimchictl.actions.storage.volume_use import children_among, in_use, require_seen
from kimchictl.errors import InUse, NotFound, WrongState
from kimchictl.virt.storage import poolchange, pools, volumes
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.pools import Pool

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class PoolBill:
    """What goes with a pool: the names of its volumes, and the bytes that they take."""

    pool: Pool
    volumes: tuple[str, ...]
    size: int


def require_unused(host: "Host", name: str, seconds: float, templates: Templates) -> Pool:
    """The pool. Raises NotFound, and InUse, naming them, if VMs or templates use it.

    All pools are looked at: another one can lead to the same directory by another name.
    """
    pools.find_pool(host, name)
    for pool in list_pools(host, seconds, templates):
        if pool.name == name:
            if pool.used_by:
                raise in_use(f"pool {name!r}", pool)
            return pool
    raise NotFound(f"pool {name!r} is gone since")


def delete_pool(host: "Host", name: str, seconds: float, templates: Templates) -> None:
    """Forget an inactive pool that nothing uses; its directory stays. Raises NotFound, WrongState, InUse."""
    require_unused(host, name, seconds, templates)
    poolchange.delete_pool(host, name)


def bill_of(host: "Host", name: str, seconds: float, templates: Templates) -> PoolBill:
    """What deleting a pool with its contents would take. Raises NotFound, InUse, and WrongState if it cannot be told.

    A volume that backs one of another pool is in use.
    """
    pool = require_unused(host, name, seconds, templates)
    if not pool.active:
        hint = f"kimchictl pool start {quote(name)}"
        raise WrongState(f"pool {name!r} is inactive: what is in it is not known", hint)
    if pool.stale:
        raise WrongState(f"pool {name!r} was not refreshed, so what is in it is not known: {pool.error}")
    uses = look_around(host, templates, host.note)
    inside = [volume for volume in uses.volumes if volume.pool == name]
    for volume in inside:
        for child in children_among(volume.used_by):
            if not child.startswith(f"pool:{name}/"):
                raise InUse(f"pool {name!r} holds {volume.path}, which backs {child}")
        if volume.used_by and not children_among(volume.used_by):
            raise in_use(f"volume {volume.name!r} of pool {name!r}", volume)
    require_seen(f"pool {name!r}", uses.unseen)
    return PoolBill(pool, tuple(each.name for each in inside), sum(each.allocation or 0 for each in inside))


def delete_with_contents(host: "Host", bill: PoolBill, seconds: float, templates: Templates) -> None:
    """Delete the volumes of the bill, the empty directory, and the pool. What cannot be deleted stays, and is noted.

    Raises InUse if since the bill somebody uses it, or something else is in it: somebody may have thought for long.
    """
    name = bill.pool.name
    require_unused(host, name, seconds, templates)
    if volumes.names(host, name) != set(bill.volumes):
        raise InUse(f"what is in pool {name!r} has changed meanwhile", "see what goes now, and delete it again")
    for reason in poolchange.empty_pool(host, name, bill.volumes):
        host.note(f"pool {name!r}: left: {reason}")
    poolchange.stop_pool(host, name)
    if not bill.pool.persistent:
        host.note(f"pool {name!r}: its directory stays: {bill.pool.path}")
        return
    if bill.pool.type in FILE_POOLS:
        poolchange.remove_directory(host, name)
    poolchange.delete_pool(host, name)
