"""Storage pools: listed first, refreshed second, and never harmed by being listed.

Pool           one pool as it is printed; the keys are the contract of the command line
list_pools     all of them, each refreshed within a deadline, at once
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any, TypeVar

from kimchictl.errors import Disconnected, Locked, NotFound, TimedOut, WrongState
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, translate
from kimchictl.virt.deadlines import all_within, within
from kimchictl.virt.missing import missing
from kimchictl.virt.storage.poollock import never_ended
from kimchictl.virt.storage.poolrefresh import refresh

Result = TypeVar("Result")

TIMEOUT = 5.0

# virStoragePoolState, in its order.
STATES = ("inactive", "building", "active", "degraded", "unreachable")
UNREACHABLE = STATES[4]  # so is one in which libvirt hangs: whatever it is asked of that one, it would not answer


@dataclass(frozen=True, slots=True)
class Pool:
    """Sizes are bytes; `path` is its directory or device; `volumes` a count; `used_by` VMs and `templates`.

    `stale`: what is said of the content is not of now, and `error` says why; unless it is `reachable`, nothing in it
    can be read. `source` is the name of what it lies on, which is a Ceph pool's or a volume group's.
    """

    name: str
    state: str
    type: str
    path: str | None
    active: bool
    autostart: bool
    persistent: bool
    capacity: int = 0
    allocation: int = 0
    available: int = 0
    volumes: int = 0
    used_by: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    stale: bool = False
    error: str | None = None
    source: str | None = None
    reachable: bool = True


def find_pool(host: Host, name: str) -> Any:
    """The virStoragePool of that name. Raises NotFound."""
    try:
        return answer_within(host, 2 * TIMEOUT, lambda: host.conn.storagePoolLookupByName(name), f"pool {name!r}")
    except host.lib.libvirtError as error:
        if is_code(error, "NO_STORAGE_POOL"):
            message, otherwise = f"pool {name!r} does not exist", "kimchictl pool list shows those that do"
            raise missing(host, message, name, lambda: names(host), otherwise) from None
        raise translate(error, f"pool {name!r}") from None


def find_active_pool(host: Host, name: str) -> Any:
    """The same. Raises WrongState if it is inactive."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r}"):
        if not answer_within(host, 2 * TIMEOUT, pool.isActive, f"pool {name!r}"):
            raise WrongState(f"pool {name!r} is inactive", f"kimchictl pool start {quote(name)}")
    return pool


def outline(host: Host, name: str) -> tuple[str, str | None, int]:
    """(type, target path, available bytes) of a pool as libvirt knows them now. Raises NotFound."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r}"):
        root = xml.parse(pool.XMLDesc(0), f"pool {name!r}")
        return root.get("type") or "", xml.text(root, "target/path"), pool.info()[3]


def pools_at(host: Host, directory: str) -> list[str]:
    """The names of the active pools whose directory is `directory`."""
    return [name for name in names(host, active_only=True) if _target(host, name) == directory]


def _target(host: Host, name: str) -> str | None:
    try:
        return outline(host, name)[1]
    except NotFound:
        return None  # gone meanwhile


def names(host: Host, active_only: bool = False) -> list[str]:
    """The names of all pools, sorted."""
    flags = host.lib.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE if active_only else 0
    with asking(f"host {host.uri}: pool list"):
        found = answer_within(host, 2 * TIMEOUT, lambda: host.conn.listAllStoragePools(flags))
        return sorted(pool.name() for pool in found)


def list_pools(
    host: Host, wanted: Iterable[str] = (), seconds: float = TIMEOUT, patience: float | None = None
) -> list[Pool]:
    """The pools `wanted` (none: all), by name ignoring case, the active ones refreshed if they answer in `seconds`.

    With `patience`, seconds too, another process that refreshes one is waited for so long, and then raises Locked;
    else such a one is stale. Raises NotFound for one that is not there, TimedOut if libvirt itself does not answer,
    Disconnected.
    """
    found = answer_within(host, 2 * seconds, lambda: _look(host, tuple(wanted)))
    jobs = {pool.name: _refreshing(host, handle, pool, seconds, patience) for handle, pool in found if pool.active}
    results = all_within(seconds + (patience or 0) + 1, jobs)
    leave_behind(host, results.values())
    pools = [_after(host, results.get(pool.name), pool) for _, pool in found]
    return sorted(pools, key=lambda pool: (pool.name.casefold(), pool.name))


def leave_behind(host: Host, results: Iterable[object]) -> None:
    """Another connection in place of one in which a call hangs: libvirt can keep all others behind that, for ever.

    Raises Disconnected where there is none to be had.
    """
    if any(isinstance(result, TimedOut) for result in results):
        host.reopen(TIMEOUT)


def show_pool(host: Host, name: str, seconds: float = TIMEOUT, patience: float | None = None) -> Pool:
    """One pool, refreshed like in a list. Raises NotFound, and Locked as there."""
    return list_pools(host, (name,), seconds, patience)[0]


def answer_within(host: Host, seconds: float, work: Callable[[], Result], what: str = "pool list") -> Result:
    """What `work` returns. Raises TimedOut: while libvirt refreshes a pool that hangs, it tells nothing of any."""
    try:
        return within(seconds, f"host {host.uri}: {what}", work)
    except TimedOut as error:
        raise TimedOut(str(error), never_ended(host)) from None


def _look(host: Host, wanted: tuple[str, ...]) -> list[tuple[Any, Pool]]:
    if wanted:
        handles = [find_pool(host, name) for name in wanted]
    else:
        with asking(f"host {host.uri}: pool list"):
            handles = host.conn.listAllStoragePools(0)
    pools = []
    for handle in handles:
        try:
            pools.append((handle, _read(handle)))
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_STORAGE_POOL"):  # it vanished between listing and looking
                raise translate(error, f"pool {handle.name()!r}") from None
    return pools


def _read(handle: Any) -> Pool:
    """What libvirt says of it now, without any refresh."""
    root = xml.parse(handle.XMLDesc(0), f"pool {handle.name()!r}")
    pool = Pool(
        name=handle.name(),
        state=STATES[0],
        type=root.get("type") or "",
        path=xml.text(root, "target/path"),
        active=False,
        autostart=bool(handle.autostart()),
        persistent=bool(handle.isPersistent()),
        source=xml.text(root, "source/name"),
    )
    return _measured(handle, pool)


def _measured(handle: Any, pool: Pool) -> Pool:
    """The pool with what a refresh can change. No more is asked: some calls wait for the refresh of another pool."""
    state, capacity, allocation, available = handle.info()
    active = state != 0
    return replace(
        pool,
        state=STATES[state] if 0 <= state < len(STATES) else STATES[0],
        active=active,
        capacity=capacity,
        allocation=allocation,
        available=available,
        volumes=handle.numOfVolumes() if active else 0,
    )


def _refreshing(host: Host, handle: Any, pool: Pool, seconds: float, patience: float | None) -> Any:
    def work() -> Pool:
        fresh = refresh(host, handle, pool.name, pool.type, pool.path, seconds, patience)
        if fresh.stopped:
            return replace(pool, state=STATES[0], active=False, stale=True, error=fresh.error)
        now = pool if fresh.stale else _measured(handle, pool)
        return replace(now, stale=fresh.stale, error=fresh.error, reachable=fresh.reachable)

    return work


def _after(host: Host, result: Pool | Exception | None, pool: Pool) -> Pool:
    """The pool as its refresh left it; as it was before, stale, where that failed or did not end. Raises Locked."""
    if isinstance(result, Pool):
        return result
    if isinstance(result, Locked):
        raise result
    if isinstance(result, TimedOut):
        said = "libvirt was asked to refresh it, and does not answer"
        return replace(pool, state=UNREACHABLE, stale=True, error=said, reachable=False)
    return pool if result is None else replace(pool, stale=True, error=why_not(host, result), reachable=False)


def why_not(host: Host, error: Exception) -> str:
    """Why one pool could not be looked at. Raises Disconnected, as then none can."""
    if isinstance(error, host.lib.libvirtError):
        error = translate(error, "libvirt")
    if isinstance(error, Disconnected):
        raise error
    return "it does not answer" if isinstance(error, TimedOut) else str(error)
