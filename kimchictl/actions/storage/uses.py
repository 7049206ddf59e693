"""Who needs volumes: VMs, templates and other images, by the files that are really there, whatever they call them.

    look_around(host)     all volumes of all active pools, with all that needs them
    uses_of(host, listed) only some, with what needs them as far as that is among them, or lies outside of any pool

What backs the disk of a VM is read from the disk itself, where that lies in no pool, or in an inactive one: libvirt
tells it only of a guest that runs. What is on another host, and in no active pool there, cannot be read.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.samefile import Names
from kimchictl.actions.vms.vm_usage import Users, as_known, find_users, label, raw_names, with_users
from kimchictl.errors import InUse, KimchiError, NotFound, WrongState
from kimchictl.virt.connection import silent
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.localvolume import read_image, read_local
from kimchictl.virt.storage.poolrefresh import FILE_POOLS, unreachable
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

Templates = Mapping[str, Iterable[str]]  # what a template names ("/path", "pool:POOL/VOLUME") -> names of templates


@dataclass(frozen=True, slots=True)
class Uses:
    """`volumes` have who uses them, and are what they are known to be.

    `images` are the same, and those that are in no active pool, with names (samefile.py) instead of paths; `unseen` the
    pools that cannot be looked at: what is in them can need any volume. So can the disks that are `unread`.
    """

    volumes: tuple[Volume, ...]
    images: tuple[Volume, ...]
    names: Names
    users: Users
    unread: tuple[str, ...] = ()
    unseen: tuple[Pool, ...] = ()
    templates: Mapping[str, set[str]] = field(default_factory=dict)

    def find(self, source: str | None) -> Volume | None:
        """The volume that a path, or "pool:POOL/VOLUME", leads to; None if none of `volumes` does."""
        self.names.learn([source])
        pool, _, name = (source or "").removeprefix("pool:").partition("/")
        for each in self.volumes:
            if each.name == name and each.pool == pool:
                return each
        named = self.names(source or "")
        return next((each for each in self.volumes if each.path and self.names(each.path) == named), None)

    def vms(self, *sources: str | None) -> set[str]:
        """The VMs that name one of them."""
        return {name for named in self._named(sources) for name in self.users.by_source.get(named, ())}

    def writers(self, *sources: str | None) -> list[str]:
        """The VMs, off or running, that have one of them as a disk of their own, and not only to read."""
        written = self.users.written
        return sorted({name for named in self._named(sources) for name in written.get(named, ())})

    def require_unwritten(self, what: str, *sources: str | None) -> None:
        """Raises InUse, naming the VMs that can write to one of them: then it can back nothing."""
        if writers := self.writers(*sources):
            hint = f"kimchictl template create --from-vm {quote(writers[0])} copies it"
            raise InUse(f"{what} is a disk of vm {', '.join(map(repr, writers))}, which can write to it", hint)

    def templates_of(self, *sources: str | None) -> list[str]:
        """The templates that name one of them."""
        return sorted({name for named in self._named(sources) for name in self.templates.get(named, ())})

    def is_raw(self, *sources: str | None) -> bool:
        """Whether a VM has one of them as a raw disk, or below one."""
        raw = self.users.raw | raw_names(self.images, self.users)
        return not raw.isdisjoint(self._named(sources))

    def children(self, *sources: str | None) -> list[str]:
        """What they back: "pool:POOL/VOLUME", or the path of what is in no active pool."""
        named = self._named(sources)
        return sorted({label(each) for each in self.images if each.backing in named})

    def without(self, volume: Volume) -> "Uses":
        """The same when `volume` is deleted, and so needs nothing."""
        gone = label(volume)
        images = tuple(each for each in self.images if label(each) != gone)
        freed = [_without(gone, each) for each in self.volumes if label(each) != gone]
        return replace(self, volumes=tuple(freed), images=images)

    def doubt(self) -> str | None:
        """What is to be said before something is destroyed: of which disks it is not known what they need."""
        if not self.unread:
            return None
        more = f" and {len(self.unread) - 3} more" if len(self.unread) > 3 else ""
        return f"what backs {', '.join(self.unread[:3])}{more}, which VMs have, is not known: it cannot be read"

    def _named(self, sources: Iterable[str | None]) -> set[str]:
        given = [source for source in sources if source]
        self.names.learn(given)
        return {self.names(source) for source in given}


def _without(user: str, volume: Volume) -> Volume:
    if user not in volume.used_by:
        return volume
    return replace(volume, used_by=tuple(name for name in volume.used_by if name != user))


def look_around(host: "Host", templates: Templates | None = None, note: Callable[[str], None] = silent) -> Uses:
    """The volumes of all active pools, which are refreshed first; of those that do not answer, what was last known.

    The latter are noted; `note` is told of volumes that are left out.
    """
    seen = _Seen()
    for pool in pools.list_pools(host):
        _look_into(host, pool, seen, note)
    uses = uses_of(host, seen.listed, templates, seen.outside)
    return replace(uses, unseen=tuple(seen.unseen))


@dataclass(slots=True)
class _Seen:
    listed: list[Volume] = field(default_factory=list)
    outside: list[Volume] = field(default_factory=list)
    unseen: list[Pool] = field(default_factory=list)


def _look_into(host: "Host", pool: Pool, seen: _Seen, note: Callable[[str], None]) -> None:
    """What is in the pool: of a directory of this machine also what libvirt was not asked for."""
    if pool.active and not pool.reachable:
        host.note(f"pool {pool.name!r}: what its volumes are, and need, is not known: {pool.error}")
        seen.unseen.append(pool)
    listed: list[Volume] = []
    if pool.active and pool.state != pools.UNREACHABLE:
        with suppress(NotFound, WrongState):  # it is gone since
            listed = volumes.list_volumes(host, pool.name, pool.reachable, note)
    seen.listed += listed
    here = host.is_local and not host.is_test and pool.type == "dir" and pool.path
    if here and (pool.stale if pool.active else True) and pool.reachable:
        seen.outside += _files_of(pool.path or "", {volume.name for volume in listed})


def _files_of(directory: str, known: set[str]) -> Iterator[Volume]:
    """The images in a directory, which may not answer or not be there, but those that are `known`."""
    if unreachable(directory, pools.TIMEOUT):
        return
    with suppress(OSError):
        for name in sorted(set(os.listdir(directory)) - known):
            if found := read_local(directory, name):
                yield Volume(found.path, "", *found)


def uses_of(
    host: "Host", listed: Iterable[Volume], templates: Templates | None = None, outside: Iterable[Volume] = ()
) -> Uses:
    """`listed` with who uses them; `outside` are images in no active pool, which may need them."""
    own, other = list(listed), list(outside)
    users, named = find_users(host), templates or {}
    names = _names_of(host, [*own, *other], {volume.pool for volume in own}, {*users.sources(), *named})
    there = {names(each.path) for each in own if each.path}
    other = [each for each in other if names(each.path or "") not in there]
    known = {names(each.path or label(each)) for each in (*own, *other) if each.capacity is not None}
    followed, unread = _followed(host, names, users, known)
    users = users.renamed(names)
    images = as_known([_renamed(each, names) for each in (*own, *other, *followed)], users)
    shown = [_back(new, old) for new, old in zip(with_users(images, users), own, strict=False)]
    of = _templates_by_name(named, names)
    whole = tuple(_with_users(each, of.get(names(label(each)), set())) for each in shown)
    return Uses(whole, tuple(images), names, users, tuple(sorted(unread)), templates=of)


def _names_of(host: "Host", images: list[Volume], listed: set[str], sources: set[str]) -> Names:
    """Of `images`, some of which are in the pools `listed`, and of all that VMs and templates name."""
    names = Names(host, images)
    names.learn([*_paths(images), *sources])
    for volume in images:
        if volume.pool:
            names.same_as(label(volume), volume.path or label(volume))
    _place(host, names, sources, listed)
    return names


def _paths(images: Iterable[Volume]) -> Iterator[str | None]:
    for image in images:
        if image.capacity is not None:
            yield from (image.path, image.backing)


def _place(host: "Host", names: Names, sources: Iterable[str], listed: set[str]) -> None:
    """Learn the paths of "pool:POOL/VOLUME" of pools that are not `listed`, where libvirt tells their directory."""
    directories: dict[str, str | None] = {}
    for source in sources:
        pool, _, volume = source.removeprefix("pool:").partition("/")
        if not source.startswith("pool:") or not volume or pool in listed or host.is_test:
            continue
        if pool not in directories:
            directories[pool] = _directory(host, pool)
        if directory := directories[pool]:
            names.learn([f"{directory}/{volume}"])
            names.same_as(source, f"{directory}/{volume}")


def _directory(host: "Host", pool: str) -> str | None:
    with suppress(KimchiError):
        kind, path, _free = pools.outline(host, pool)
        return path if kind in FILE_POOLS else None
    return None


def _followed(host: "Host", names: Names, users: Users, known: set[str]) -> tuple[list[Volume], list[str]]:
    """The disks of VMs that are in no pool among the `known`, with all that backs them; and those that are unread.

    Of a disk that a VM has as raw, or of what is below one as raw, nothing is read: its guest could have written that.
    Of one that cannot be read libvirt may tell what is below it.
    """
    found: list[Volume] = []
    unread: list[str] = []
    todo = {names.paths.get(source, source) for source in users.other}
    while todo := {path for path in todo if path.startswith("/") and names(path) not in known}:
        known |= {names(path) for path in todo}
        images = {path: _outside(host, names, path) for path in todo}
        unread += [path for path, image in images.items() if image is None and path not in users.chains]
        new = [image for image in images.values() if image is not None]
        found += new
        names.learn(_paths(new))
        todo = {image.backing for image in new if image.backing and image.backing_format != "raw"}
    return found, unread


def _outside(host: "Host", names: Names, path: str) -> Volume | None:
    """The image at `path`; None if it cannot be read."""
    if not host.is_local or host.is_test or path in names.silent:
        return None
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Volume(path, "", "file", "raw", path, 0, 0)  # it is not there, and needs nothing
    except (OSError, ValueError):
        return None
    found = read_image(path)
    return Volume(path, "", *found) if found is not None else None


def _renamed(image: Volume, names: Names) -> Volume:
    if image.capacity is None:
        return image  # it was not looked at
    return replace(image, path=image.path and names(image.path), backing=image.backing and names(image.backing))


def _back(new: Volume, old: Volume) -> Volume:
    """As it was called before."""
    return replace(new, path=old.path, backing=new.backing and old.backing)


def _templates_by_name(templates: Templates, names: Names) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {}
    for source, whose in templates.items():
        users.setdefault(names(source), set()).update(whose)
    return users


def _with_users(volume: Volume, templates: set[str]) -> Volume:
    used = tuple(sorted({*volume.used_by, *templates}))
    return replace(volume, used_by=used, templates=tuple(sorted(templates))) if templates else volume
