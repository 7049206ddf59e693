"""Which VM uses which volume: by the path, or by pool and volume, of its disks, its media and what backs them."""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kimchictl.virt.domain.domainread import Description, VmDisk
from kimchictl.virt.domain.domains import descriptions
from kimchictl.virt.domain.nvram import nvram_of
from kimchictl.virt.domain.snapshotfiles import snapshot_files
from kimchictl.virt.storage.volumes import Volume, find_by_path, find_volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Users:
    """The names of VMs by what they name, and by what they can write to; which of it they have as what format.

    That is "/path", "pool:POOL/VOLUME", "rbd://HOST/CEPHPOOL/IMAGE" and then "CEPHPOOL/IMAGE", too. Of `chains` libvirt
    tells what backs them.
    """

    by_source: dict[str, set[str]] = field(default_factory=dict)
    raw: set[str] = field(default_factory=set)
    other: set[str] = field(default_factory=set)
    written: dict[str, set[str]] = field(default_factory=dict)
    chains: set[str] = field(default_factory=set)

    def add(self, name: str, source: str) -> None:
        """The VM `name` names `source`."""
        self.by_source.setdefault(source, set()).add(name)

    def has(self, source: str, form: str | None) -> None:
        """A VM has the image `source` as one of that format."""
        if form:
            (self.raw if form == "raw" else self.other).add(source)

    def sources(self) -> set[str]:
        """All that VMs name."""
        return {*self.by_source, *self.raw, *self.other}

    def renamed(self, names: Callable[[str], str]) -> "Users":
        """The same with other names for what VMs name."""
        users = Users()
        for mine, its in ((users.by_source, self.by_source), (users.written, self.written)):
            for source, whose in its.items():
                mine.setdefault(names(source), set()).update(whose)
        users.raw.update(map(names, self.raw))
        users.other.update(map(names, self.other))
        return users

    def of(self, volume: Volume) -> set[str]:
        """The VMs that use `volume`."""
        named = self.by_source.get(f"pool:{volume.pool}/{volume.name}", set())
        return named | self.by_source.get(volume.path or "", set())


def disk_volume(host: "Host", disk: VmDisk) -> Volume | None:
    """The volume that a disk is; None where it is in no active pool. Raises NotFound, WrongState."""
    if disk.pool and disk.volume:
        return find_volume(host, disk.pool, disk.volume)
    path = disk.source or ""
    found = find_by_path(host, path)
    if found is None and host.is_local and not host.is_test and path.startswith("/"):
        return find_by_path(host, os.path.realpath(path))
    return found


def find_users(host: "Host") -> Users:
    """Ask for every VM's XML, as it runs, as it will start next and as its memory is saved, and for its snapshots'."""
    users = Users()
    for name, said in descriptions(host):
        _add(users, name, said)
        if nvram := nvram_of(host, name, said):
            users.add(name, nvram)
    for snapshot in snapshot_files(host):
        users.add(snapshot.vm, snapshot.source)
        users.has(snapshot.source, snapshot.format)
    return users


def _add(users: Users, name: str, said: Description) -> None:
    for disk in said.disks:
        for source in filter(None, (disk.source, *disk.backing)):
            users.add(name, source)
            if source.startswith("rbd://"):
                users.add(name, _in_ceph(source))
        if disk.source:
            users.has(disk.source, disk.format)
            if not disk.readonly:
                users.written.setdefault(disk.source, set()).add(name)
            if said.runs:
                users.chains.add(disk.source)
    for path in said.paths:
        users.add(name, path)
    if said.origin.seed:
        users.add(name, f"pool:{said.origin.seed}")


def _in_ceph(source: str) -> str:
    """POOL/IMAGE of "rbd://HOST/POOL/IMAGE?...": what libvirt calls the path of such a volume."""
    return source.split("/", 3)[-1].partition("?")[0]


def with_users(volumes: Iterable[Volume], users: Users) -> list[Volume]:
    """`volumes` with `used_by`: VMs, and the volumes that one backs; what backs a volume in use is in use itself."""
    listed = as_known(volumes, users)
    names: dict[str | None, set[str]] = {}
    for volume in listed:
        names.setdefault(volume.path, set()).update(users.of(volume))
    backing = {volume.path: volume.backing for volume in listed}
    for volume in listed:
        below, seen = volume.backing, {volume.path}
        while below in names and below not in seen:
            names[below] |= names[volume.path]
            seen.add(below)
            below = backing[below]
    for volume in listed:
        if volume.backing in names:
            names[volume.backing].add(label(volume))
    return [replace(volume, used_by=tuple(sorted(names[volume.path]))) for volume in listed]


def as_known(volumes: Iterable[Volume], users: Users) -> list[Volume]:
    """`volumes`, with those that are known as raw as raw: what a guest wrote to the beginning of one is no header."""
    listed = list(volumes)
    raw = raw_names(listed, users)
    return [as_raw(volume) if volume.path in raw else volume for volume in listed]


def raw_names(volumes: Iterable[Volume], users: Users) -> set[str]:
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


def label(volume: Volume) -> str:
    """ "pool:POOL/VOLUME"; the path of an image that is in no active pool, whose name it is."""
    return f"pool:{volume.pool}/{volume.name}" if volume.pool else volume.name
