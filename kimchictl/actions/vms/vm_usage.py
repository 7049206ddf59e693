"""Which VM uses which volume: by the path, or by pool and volume, of its disks, its media and what backs them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kimchictl.virt.domain.domains import descriptions
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Users:
    """The names of VMs by what they name: "/path" or "pool:POOL/VOLUME"; what of it are disks known as raw."""

    by_source: dict[str, set[str]] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)

    def of(self, volume: Volume) -> tuple[str, ...]:
        """The VMs that use `volume`, sorted."""
        named = self.by_source.get(f"pool:{volume.pool}/{volume.name}", set())
        return tuple(sorted(named | self.by_source.get(volume.path or "", set())))

    def of_path(self, path: str) -> set[str]:
        """The VMs that name `path`."""
        return set(self.by_source.get(path, ()))

    def of_pool(self, pool: Pool) -> tuple[str, ...]:
        """The VMs that use anything in `pool`, sorted: by its name, or below its directory."""
        below = (pool.path or "").rstrip("/") + "/"
        found: set[str] = set()
        for source, names in self.by_source.items():
            if source.startswith(f"pool:{pool.name}/") or (pool.path and source.startswith(below)):
                found |= names
        return tuple(sorted(found))


def find_users(host: "Host") -> Users:
    """Ask for every VM's XML, as it runs and as it will start next."""
    users = Users()
    for name, said in descriptions(host):
        sources = [source for disk in said.disks for source in (disk.source, *disk.backing) if source]
        for source in [*sources, *filter(None, [said.nvram])]:
            users.by_source.setdefault(source, set()).add(name)
        users.raw.update(disk.source for disk in said.disks if disk.source and disk.format == "raw")
    return users


def with_users(volumes: Iterable[Volume], users: Users) -> list[Volume]:
    """`volumes` with `used_by`; what backs a volume in use is in use itself."""
    listed = list(volumes)
    names = {volume.path: set(users.of(volume)) for volume in listed}
    backing = {volume.path: volume.backing for volume in listed}
    for volume in listed:
        below, seen = volume.backing, {volume.path}
        while below in names and below not in seen:
            names[below] |= names[volume.path]
            seen.add(below)
            below = backing[below]
    return [_as_known(replace(volume, used_by=tuple(sorted(names[volume.path]))), users) for volume in listed]


def _as_known(volume: Volume, users: Users) -> Volume:
    """A disk that a VM has as raw is raw: what its guest wrote to its beginning may look like a header."""
    raw = volume.path in users.raw or f"pool:{volume.pool}/{volume.name}" in users.raw
    if not raw or volume.format in ("raw", "iso", None):
        return volume
    return replace(volume, format="raw", backing=None)


def children_of(path: str, volumes: Iterable[Volume]) -> list[str]:
    """The volumes that `path` backs, as "pool:POOL/VOLUME"."""
    return sorted(f"pool:{volume.pool}/{volume.name}" for volume in volumes if volume.backing == path)
