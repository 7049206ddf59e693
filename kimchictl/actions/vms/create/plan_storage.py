"""The volumes of VMs that are to be made: where each goes, what it is called, what it is made upon.

A pool and an image are looked at once, however many VMs there are.
"""

import os
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.space import require_space
from kimchictl.actions.vms.create.access import check_readable
from kimchictl.actions.vms.create.base_image import disk_size, find_base
from kimchictl.actions.vms.create.findings import Findings
from kimchictl.actions.vms.create.plan_vm import BLOCK_POOLS, IMAGES, PlannedSeed, PlannedVolume, Request, volume_name
from kimchictl.catalog.records import Disk
from kimchictl.catalog.resolve import BUILT_IN
from kimchictl.errors import Invalid, KimchiError, NotFound, WrongState
from kimchictl.virt.storage import pools, presence, volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(slots=True)
class _Pool:
    """A pool, its directory as far as it has one, the names that are `taken` in it, and bytes `needed` of it so far."""

    name: str
    kind: str
    directory: str
    available: int | None
    taken: set[str]
    needed: int = 0

    def free_name(self, vm: str, form: str) -> str:
        """A name for a volume, which is taken from then on."""
        name = volume_name(vm, form, self.taken)
        self.taken.add(name)
        return name

    @property
    def block(self) -> bool:
        return self.kind in BLOCK_POOLS


@dataclass(frozen=True, slots=True)
class _Place:
    """What the volumes of one disk of the template have in common, whichever VM they are for; `size` is bytes."""

    pool: _Pool
    form: str
    size: int
    base: volumes.Volume | None


class PlannedStorage:
    """The storage for the VMs of one request; what is wrong with it goes to `findings`."""

    def __init__(self, host: "Host", request: Request, findings: Findings) -> None:
        self._host, self._request, self._findings = host, request, findings
        self._active = pools.names(host, active_only=True)
        self._pools: dict[str, _Pool] = {}
        disks = request.resolved.template.disks or ()
        self._places = [self._place(index, disk) for index, disk in enumerate(disks)]
        # Beside the first disk; without one in the pool that it would be in.
        self._seed_pool = self._pool(0, disks[0] if disks else Disk()) if request.user_data is not None else None

    @property
    def blocks(self) -> set[str]:
        """The pools whose volumes are block devices."""
        return {pool.name for pool in self._pools.values() if pool.block}

    def disks(self, vm: str) -> list[PlannedVolume]:
        """The volumes of the VM `vm`."""
        return [self._volume(vm, place) for place in self._places]

    def seed(self, vm: str) -> PlannedSeed | None:
        """Where the cloud-init data of the VM `vm` go; None without any."""
        pool, data = self._seed_pool, self._request.user_data
        if pool is None or data is None:
            return None
        name = pool.free_name(f"{vm}-seed", "iso")
        return PlannedSeed(pool.name, name, f"{pool.directory}/{name}", data)

    def check_space(self) -> None:
        """Whether all of it fits."""
        note = self._findings.notes.append
        for pool in self._pools.values():
            self._findings.check(partial(require_space, pool.name, pool.needed, pool.available, pool.block, note))

    def _volume(self, vm: str, place: _Place) -> PlannedVolume:
        pool, base = place.pool, place.base
        name = pool.free_name(vm, place.form)
        pool.needed += place.size
        path = f"{pool.directory}/{name}"
        if base is None:
            return PlannedVolume(pool.name, name, path, place.size, place.form)
        return PlannedVolume(pool.name, name, path, place.size, place.form, base.path, base.format or "raw")

    def _place(self, index: int, disk: Disk) -> _Place:
        pool, base = self._pool(index, disk), self._base(disk)
        if pool.block and disk.base is not None:
            wrong = Invalid(f"pool {pool.name!r} holds devices, and none can be made upon an image", "choose --pool")
            self._findings.problems.append(wrong)
        form = "raw" if pool.block and disk.base is None else disk.format or "qcow2"
        return _Place(pool, form, disk_size(disk, base), base)

    def _base(self, disk: Disk) -> volumes.Volume | None:
        if disk.base is None:
            return None
        found: volumes.Volume | None = None

        def look() -> None:
            nonlocal found
            found = find_base(self._host, disk.base or "")
            if found.path and self._host.is_local and not self._host.is_test:
                check_readable(self._host, found.path, self._findings.notes)

        self._findings.check(look)
        return found

    def _pool(self, index: int, disk: Disk) -> _Pool:
        """The pool for a disk; what is wrong with it is kept."""
        name = self._request.pool or disk.pool or "default"
        origin = self._request.resolved.origins.get(f"disks[{index}].pool", BUILT_IN)
        missing = None
        if self._request.pool is None and origin == BUILT_IN:
            name, missing = self._default_pool(name)
        if name not in self._pools:
            self._pools[name] = self._looked_at(name, missing)
        return self._pools[name]

    def _looked_at(self, name: str, missing: KimchiError | None) -> _Pool:
        pool = _Pool(name, "dir", IMAGES, None, set())
        if missing is not None:
            self._findings.problems.append(missing)
            return pool

        def look() -> None:
            seen = presence.usable_pool(self._host, name)  # refreshed: a file may have been copied there
            pool.kind, pool.available = seen.type, seen.available
            pool.directory = (seen.path or IMAGES).rstrip("/")
            pool.taken.update(volumes.names(self._host, name))

        self._findings.check(look)
        return pool

    def _default_pool(self, name: str) -> tuple[str, KimchiError | None]:
        """`name` if it is active, else the only active pool; what is wrong if there is neither."""
        if name in self._active:
            return name, None
        if len(self._active) == 1:
            return self._active[0], None
        if self._active:
            several = "no pool is named, and several are active: " + ", ".join(self._active)
            return name, NotFound(several, "choose one with --pool")
        if presence.pool_state(self._host, name) == "inactive":
            return name, WrongState(f"pool {name!r} is inactive", f"kimchictl pool start {quote(name)}")
        path = os.path.expanduser("~/.local/share/libvirt/images") if self._host.is_session else IMAGES
        hint = f"kimchictl pool create {quote(name)} --type dir --path {quote(path)} --start"
        return name, NotFound("no storage pool is active", hint)
