"""Pools and volumes as they are printed: with who uses them, and what image a volume is."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.samefile import real_paths
from kimchictl.actions.storage.uses import Templates, Uses, look_around, uses_of
from kimchictl.actions.storage.volume_use import require_unused
from kimchictl.actions.vms.vm_usage import find_users, label
from kimchictl.errors import KimchiError, TimedOut, WrongState
from kimchictl.media.records import Image
from kimchictl.media.seed import VOLUME_ID
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_MOMENT = 2.0  # seconds; a look takes about as long where there is much


def list_pools(host: "Host", seconds: float, templates: Templates, wanted: Iterable[str] = ()) -> list[Pool]:
    """The pools `wanted` (none: all), refreshed, with the VMs and templates that use them."""
    found = pools.list_pools(host, wanted, seconds)
    vms, named = find_users(host).by_source, templates
    real = _real_paths(host, found, {*vms, *named})
    users = [(pool, _of_pool(pool, vms, real), _of_pool(pool, named, real)) for pool in found]
    return [replace(pool, used_by=_merged(vms, named), templates=_merged(named)) for pool, vms, named in users]


def _real_paths(host: "Host", found: list[Pool], sources: Iterable[str]) -> Mapping[str, str]:
    """Where those of `sources` that are files here, and the directories of `found`, really are."""
    if not host.is_local or host.is_test:
        return {}
    here = [pool.path for pool in found if pool.path and pool.active and pool.reachable and pool.type in FILE_POOLS]
    return real_paths([*here, *sources], here)


def _of_pool(pool: Pool, users: Mapping[str, Iterable[str]], real: Mapping[str, str]) -> set[str]:
    """Those that name anything in it: by its name, below its directory, or in its Ceph pool."""
    place = pool.source if pool.type == "rbd" else pool.path
    tops = {f"pool:{pool.name}", place, real.get(place or "")}
    inside = tuple(f"{top.rstrip('/')}/" for top in tops if top)
    return {
        name
        for source, names in users.items()
        if source.startswith(inside) or real.get(source, "").startswith(inside)
        for name in names
    }


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
    return [_identified(host, volume) for volume in uses_of(host, found, templates).volumes]


@dataclass(slots=True)
class Look:
    """Single volumes with all that uses them in any pool: one look at all of them, which will do for a moment."""

    host: "Host"
    templates: Templates
    _at: float = -math.inf
    _uses: Uses | None = None
    _said: str | None = None

    def show(self, pool: str, name: str) -> Volume:
        """The volume of that name. Raises NotFound, WrongState."""
        volume = volumes.find_volume(self.host, pool, name)
        found = self._now().find(label(volume))
        if found is None:  # it was made since
            self._at = -math.inf
            found = self._now().find(label(volume))
        return _identified(self.host, found or volume)

    def _now(self) -> Uses:
        if self._uses is None or time.monotonic() - self._at > _MOMENT:
            self._uses = look_around(self.host, self.templates)
            self._at = time.monotonic()
        return self._uses

    def require_unused(self, volume: Volume) -> None:
        """Raises InUse, naming them, if somebody needs what `show` showed; WrongState if that cannot be told."""
        uses = self._now()
        require_unused(volume, uses.unseen)
        if (doubt := uses.doubt()) and doubt != self._said:
            self.host.note(doubt)
            self._said = doubt

    def forget(self, volume: Volume) -> None:
        """It is deleted, and so uses nothing any more."""
        if self._uses is not None:
            self._uses = self._uses.without(volume)


def _identified(host: "Host", volume: Volume) -> Volume:
    """What system is on it, if libvirt found by its content that it is an image, and it can be read here."""
    image = _image_on(host, volume)
    if image is None:
        return volume
    return replace(volume, os_distro=image.os_distro, os_version=image.os_version, bootable=image.bootable)


def _image_on(host: "Host", volume: Volume) -> Image | None:
    if volume.format != "iso" or volume.path is None or not host.is_local or host.is_test:
        return None
    from kimchictl.media.probe import probe_path

    try:
        return probe_path(volume.path)
    except KimchiError:
        return None  # not readable for the caller: the volume is listed all the same


def without_owner(host: "Host", listed: Iterable[Volume], templates: Templates) -> list[Volume]:
    """Those of `listed` that neither a VM, nor a template, nor an image in any pool uses, if they are for such.

    That is disks, and the cloud-init data that are made for one VM; an installer waits for its next user.
    """
    uses = look_around(host, templates)
    if doubt := uses.doubt():
        host.note(doubt)
    unused = {label(volume) for volume in uses.volumes if not volume.used_by and _is_of_a_vm(host, volume)}
    return [volume for volume in listed if label(volume) in unused]


def _is_of_a_vm(host: "Host", volume: Volume) -> bool:
    """What has no capacity is in a pool that does not answer: nobody knows what it is."""
    if volume.type == "dir" or volume.capacity is None:
        return False
    return volume.format != "iso" or is_seed(host, volume)


def is_seed(host: "Host", volume: Volume) -> bool:
    """Whether it can be seen that it holds cloud-init data."""
    image = _image_on(host, volume)
    return image is not None and (image.volume_id or "").lower() == VOLUME_ID
