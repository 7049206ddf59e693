"""What lies in the active storage pools, for a scan: three calls a pool whatever its size."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote
from typing import Any

from kimchictl.errors import WrongState
from kimchictl.progress import SILENT, Progress
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.deadlines import all_within
from kimchictl.virt.storage.poolrefresh import FILE_POOLS, Freshness, refresh
from kimchictl.virt.storage.pools import TIMEOUT, answer_within, find_pool, leave_behind, why_not


@dataclass(frozen=True, slots=True)
class PoolContents:
    """What lies in one active pool: (volume name, path) each. `reason` is why it is `stale`.

    `streamed`: it is not in files of this machine, so its volumes are read through libvirt, and are not listed here.
    """

    name: str
    type: str
    path: str | None
    volumes: tuple[tuple[str, str], ...]
    stale: bool = False
    reason: str | None = None
    streamed: bool = False


def active_pools(
    host: Host, progress: Progress = SILENT, wanted: Iterable[str] = (), seconds: float = TIMEOUT
) -> list[PoolContents]:
    """What lies in the active pools `wanted` (none: all); those that are inactive or stale are noted.

    Raises NotFound for one of `wanted` that does not exist.
    """
    pools = answer_within(host, 2 * seconds, lambda: _handles(host, tuple(wanted)))
    results = all_within(seconds + 1, {name: _reading(host, handle, seconds) for name, handle in pools.items()})
    leave_behind(host, results.values())
    contents = []
    for name, result in sorted(results.items()):
        if isinstance(result, PoolContents):
            contents.append(result)
            if result.stale:
                progress.note(f"pool {name!r} was not refreshed: {result.reason}")
        else:
            progress.note(f"pool {name!r} was left out: {why_not(host, result)}")
    return contents


def _handles(host: Host, wanted: tuple[str, ...]) -> dict[str, Any]:
    if wanted:
        return {name: find_pool(host, name) for name in wanted}
    with asking(f"host {host.uri}: pool list"):
        return {pool.name(): pool for pool in host.conn.listAllStoragePools(0)}


def _reading(host: Host, handle: Any, seconds: float) -> Any:
    def work() -> PoolContents:
        name = handle.name()
        if not handle.isActive():
            raise WrongState(f"it is inactive: kimchictl pool start {quote(name)}")
        root = xml.parse(handle.XMLDesc(0), f"pool {name!r}")
        kind, path = root.get("type") or "", xml.text(root, "target/path")
        fresh = refresh(host, handle, name, kind, path, seconds)
        here = host.is_local and kind in FILE_POOLS and path and (not fresh.reachable or _readable(path))
        streamed = not host.is_test and not here
        volumes = () if streamed else _volumes(host, handle, path, fresh)
        return PoolContents(name, kind, path, volumes, fresh.stale, fresh.error, streamed)

    return work


def _readable(path: str) -> bool:
    """Whether we may list it ourselves, as an ordinary user may not list what root's libvirtd keeps."""
    return os.access(path, os.R_OK | os.X_OK)


def _volumes(host: Host, handle: Any, path: str | None, fresh: Freshness) -> tuple[tuple[str, str], ...]:
    """By reading the directory if it answers; of the test driver's, by a call for each volume."""
    if not host.is_test and path:
        return local_volumes(path) if fresh.reachable else ()
    found = []
    for volume in handle.listAllVolumes(0):
        try:
            found.append((volume.name(), volume.path()))
        except UnicodeDecodeError:
            continue  # a name that is not UTF-8: libvirt's Python library cannot speak of it
    return tuple(found)


def local_volumes(path: str) -> tuple[tuple[str, str], ...]:
    """(name, path) of the regular files and block devices that libvirt takes for volumes of the directory `path`."""
    with os.scandir(path) as entries:
        return tuple(sorted((entry.name, entry.path) for entry in entries if _is_volume(entry)))


def _is_volume(entry: os.DirEntry[str]) -> bool:
    """Links count as what they lead to. A name that is not UTF-8 is none that libvirt could be given."""
    try:
        entry.name.encode()
        return entry.is_file() or (not entry.is_dir() and stat.S_ISBLK(entry.stat().st_mode))
    except (OSError, UnicodeEncodeError):
        return False
