"""Pools and volumes as they are printed: with who uses them, and what image a volume is."""

import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.spellings import by_real_paths, in_all_spellings, links, really, users_of
from kimchictl.actions.storage.volume_use import all_volumes
from kimchictl.actions.vms.vm_usage import Users, find_users, with_users
from kimchictl.errors import KimchiError, TimedOut, WrongState
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_MOMENT = 2.0  # seconds; a look takes about as long where there is much
Templates = Mapping[str, Iterable[str]]  # what a template names ("/path", "pool:POOL/VOLUME") -> names of templates


def list_pools(host: "Host", seconds: float, templates: Templates, wanted: Iterable[str] = ()) -> list[Pool]:
    """The pools `wanted` (none: all), refreshed, with the VMs and templates that use them."""
    found = pools.list_pools(host, wanted, seconds)
    linked = links(pool.path for pool in found if _answers_here(host, pool))
    vms, named = (in_all_spellings(each, linked) for each in (find_users(host).by_source, templates))
    users = [(pool, _of_pool(pool, vms), _of_pool(pool, named)) for pool in found]
    return [replace(pool, used_by=_merged(vms, named), templates=_merged(named)) for pool, vms, named in users]


def _answers_here(host: "Host", pool: Pool) -> bool:
    """Whether its directory is one of this machine that can be looked at."""
    return host.is_local and not host.is_test and pool.active and pool.reachable and pool.type in FILE_POOLS


def _of_pool(pool: Pool, users: Mapping[str, Iterable[str]]) -> set[str]:
    """Those that name anything in it: by its name, below its directory, or in its Ceph pool."""
    place = pool.source if pool.type == "rbd" else pool.path
    inside = tuple(f"{top.rstrip('/')}/" for top in (f"pool:{pool.name}", place) if top)
    return {name for source, names in users.items() if source.startswith(inside) for name in names}


def _merged(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for group in groups for name in group}))


def list_volumes(host: "Host", pool: str, seconds: float) -> list[Volume]:
    """The volumes of one active pool, which is refreshed first. Raises NotFound, WrongState, TimedOut."""
    state = pools.show_pool(host, pool, seconds)
    if not state.active:
        raise WrongState(f"pool {pool!r} is inactive", f"kimchictl pool start {quote(pool)}")
    if state.state == pools.UNREACHABLE:
        raise TimedOut(f"what is in pool {pool!r} cannot be told: {state.error}")
    if state.stale:
        host.note(f"pool {pool!r} is shown as it was at its last refresh: {state.error}")
    return volumes.list_volumes(host, pool, state.reachable, host.note)


def described(host: "Host", found: list[Volume], templates: Templates) -> list[Volume]:
    """`found` with who uses them, as far as that is among them; images are named where they can be read here."""
    listed = _used(host, found, users_of(host, found), templates)
    return [_identified(volume) for volume in listed] if host.is_local and not host.is_test else listed


@dataclass(slots=True)
class Look:
    """Single volumes with all that uses them in any pool: one look at all of them, which will do for a moment."""

    host: "Host"
    templates: Templates
    _at: float = -math.inf
    _listed: list[Volume] = field(default_factory=list)
    _users: Users = field(default_factory=Users)

    def show(self, pool: str, name: str) -> Volume:
        """The volume of that name. Raises NotFound, WrongState."""
        volume = volumes.find_volume(self.host, pool, name)
        if time.monotonic() - self._at > _MOMENT:
            self._listed = all_volumes(self.host)
            self._users = users_of(self.host, self._listed)
            self._at = time.monotonic()
        used = _used(self.host, self._listed, self._users, self.templates)
        found = next((each for each in used if (each.pool, each.name) == (pool, volume.name)), volume)
        return _identified(found) if self.host.is_local and not self.host.is_test else found

    def forget(self, volume: Volume) -> None:
        """It is deleted, and so uses nothing any more."""
        self._listed = [each for each in self._listed if (each.pool, each.name) != (volume.pool, volume.name)]


def _used(host: "Host", found: list[Volume], users: Users, templates: Templates) -> list[Volume]:
    if host.is_local and not host.is_test:
        linked = links({os.path.dirname(volume.path) for volume in found if volume.path and volume.format})
        templates = in_all_spellings(templates, linked)
    return [_named(volume, templates) for volume in by_real_paths(host, found, lambda real: with_users(real, users))]


def _named(volume: Volume, templates: Templates) -> Volume:
    names = templates.get(f"pool:{volume.pool}/{volume.name}", ()), templates.get(volume.path or "", ())
    return replace(volume, used_by=_merged(volume.used_by, *names), templates=_merged(*names))


def _identified(volume: Volume) -> Volume:
    """What system is on it, if libvirt found by its content that it is an image."""
    if volume.format != "iso" or volume.path is None:
        return volume
    from kimchictl.media.probe import probe_path

    try:
        image = probe_path(volume.path)
    except KimchiError:
        return volume  # not readable for the caller: the volume is listed all the same
    return replace(volume, os_distro=image.os_distro, os_version=image.os_version, bootable=image.bootable)


def without_owner(host: "Host", listed: Iterable[Volume]) -> list[Volume]:
    """Those of `listed` that are disks and that neither a VM, nor a template, nor another volume uses."""
    own = list(listed)
    backing = {volume.backing for volume in really(host, all_volumes(host))}
    unused = [volume for volume, real in zip(own, really(host, own), strict=True) if real.path not in backing]
    return [volume for volume in unused if not volume.used_by and _is_disk(volume)]


def _is_disk(volume: Volume) -> bool:
    """What has no capacity is in a pool that does not answer: nobody knows what it is."""
    return volume.type != "dir" and volume.format != "iso" and volume.capacity is not None
