"""Which VM uses which volume: by the path, or by pool and volume, of its disks, its media and what backs them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.domain.domains import descriptions
from kimchictl.virt.domain.snapshotfiles import snapshot_files
from kimchictl.virt.storage.volumes import Volume, find_by_path, find_volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Users:
    """The names of VMs by what they name; which of it they have as what format.

    That is "/path", "pool:POOL/VOLUME", "rbd://HOST/CEPHPOOL/IMAGE" and then "CEPHPOOL/IMAGE", too.
    """

    by_source: dict[str, set[str]] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)

    def of(self, volume: Volume) -> tuple[str, ...]:
        """The VMs that use `volume`, sorted."""
        named = self.by_source.get(f"pool:{volume.pool}/{volume.name}", set())
        return tuple(sorted(named | self.by_source.get(volume.path or "", set())))

    def of_path(self, path: str) -> set[str]:
        """The VMs that name `path`."""
        return set(self.by_source.get(path, ()))


def disk_volume(host: "Host", disk: VmDisk) -> Volume | None:
    """The volume that a disk is; None where it is in no active pool. Raises NotFound, WrongState."""
    if disk.pool and disk.volume:
        return find_volume(host, disk.pool, disk.volume)
    return find_by_path(host, disk.source or "")


def find_users(host: "Host") -> Users:
    """Ask for every VM's XML, as it runs and as it will start next, and for its snapshots'."""
    users = Users()
    for name, said in descriptions(host):
        sources = [source for disk in said.disks for source in (disk.source, *disk.backing) if source]
        for source in [*sources, *filter(None, [said.nvram])]:
            users.by_source.setdefault(source, set()).add(name)
            if source.startswith("rbd://"):
                users.by_source.setdefault(_in_ceph(source), set()).add(name)
        for disk in said.disks:
            if disk.source and disk.format:
                (users.raw if disk.format == "raw" else users.other).add(disk.source)
    for name, source in snapshot_files(host):
        users.by_source.setdefault(source, set()).add(name)
    return users


def _in_ceph(source: str) -> str:
    """POOL/IMAGE of "rbd://HOST/POOL/IMAGE?...": what libvirt calls the path of such a volume."""
    return source.split("/", 3)[-1].partition("?")[0]


def with_users(volumes: Iterable[Volume], users: Users) -> list[Volume]:
    """`volumes` with `used_by`: VMs, and the volumes that one backs; what backs a volume in use is in use itself."""
    listed = as_known(volumes, users)
    names = {volume.path: set(users.of(volume)) for volume in listed}
    backing = {volume.path: volume.backing for volume in listed}
    for volume in listed:
        below, seen = volume.backing, {volume.path}
        while below in names and below not in seen:
            names[below] |= names[volume.path]
            seen.add(below)
            below = backing[below]
    for volume in listed:
        if volume.backing in names:
            names[volume.backing].add(f"pool:{volume.pool}/{volume.name}")
    return [replace(volume, used_by=tuple(sorted(names[volume.path]))) for volume in listed]


def as_known(volumes: Iterable[Volume], users: Users) -> list[Volume]:
    """`volumes`, with those that are known as raw as raw: what a guest wrote to the beginning of one is no header."""
    listed = list(volumes)
    raw = raw_paths(listed, users)
    return [as_raw(volume) if volume.path in raw else volume for volume in listed]


def raw_paths(volumes: Iterable[Volume], users: Users) -> set[str]:
    """The paths of `volumes` that VMs have as raw disks, or that back their other disks as raw.

    The header of a disk that a VM has as qcow2 is qemu's alone to write, so what it says of the one below is true.
    """
    by_path = {volume.path: volume for volume in volumes if volume.path}
    raw = {path for path, volume in by_path.items() if _among(volume, users.raw)}
    trusted = [volume for path, volume in by_path.items() if path not in raw and _among(volume, users.other)]
    seen = {volume.path for volume in trusted}
    while trusted:
        above = trusted.pop()
        below = by_path.get(above.backing or "")
        if below is None or below.path in seen:
            continue
        seen.add(below.path)
        if above.backing_format == "raw":
            raw.add(above.backing or "")
        else:
            trusted.append(below)
    return raw


def _among(volume: Volume, sources: Collection[str]) -> bool:
    return volume.path in sources or f"pool:{volume.pool}/{volume.name}" in sources


def as_raw(volume: Volume) -> Volume:
    """As a raw disk: as large as its file, with nothing below it."""
    if volume.format in ("raw", "iso", None):
        return volume
    return replace(volume, format="raw", capacity=volume.physical, backing=None, backing_format=None)


def children_of(path: str, volumes: Iterable[Volume]) -> list[str]:
    """The volumes that `path` backs, as "pool:POOL/VOLUME"."""
    return sorted(f"pool:{volume.pool}/{volume.name}" for volume in volumes if volume.backing == path)
