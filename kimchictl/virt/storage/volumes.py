"""Storage volumes: read, made and deleted.

Volume        one volume as it is printed; the keys are the contract of the command line
list_volumes  those of a pool
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kimchictl.errors import Disconnected, Exists, Invalid, NotFound
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, silent, translate
from kimchictl.virt.missing import missing
from kimchictl.virt.storage.localvolume import read_local
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.pools import TIMEOUT, answer_within, find_active_pool, list_pools, pools_at, show_pool
from kimchictl.virt.storage.presence import require_usable
from kimchictl.virt.storage.volumexml import Permissions, read_permissions, volume_xml

# virStorageVolType, in its order.
TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
BLOCK_POOLS = ("logical", "disk", "iscsi", "iscsi-direct")  # their volumes are devices: raw, and allocated whole


@dataclass(frozen=True, slots=True)
class Volume:
    """Sizes are bytes; `backing` is the path of the image below it, `backing_format` what it is said to be.

    `physical` is the length of its file, None if it is empty: the capacity of what is raw. `used_by` names who uses it,
    `templates` those of them that are templates; `unfinished` says who makes it, while it is not whole; `shared`
    whether another host may use it, None where that cannot be told. `os_distro`, `os_version` and `bootable` are an
    image's, None for what is no image.
    """

    name: str
    pool: str
    type: str
    format: str | None
    path: str | None
    capacity: int | None
    allocation: int | None
    backing: str | None = None
    backing_format: str | None = None
    physical: int | None = None
    used_by: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    unfinished: str | None = None
    os_distro: str | None = None
    os_version: str | None = None
    bootable: bool | None = None
    shared: bool | None = None


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """The file of a volume: its length in bytes, and when it changed, in seconds since the epoch; None: it has none."""

    size: int | None
    mtime: float | None
    ctime: float | None
    permissions: Permissions | None = None


def find_volume(host: Host, pool_name: str, name: str) -> Volume:
    """The volume of that name. Raises NotFound, and WrongState for an inactive pool."""
    return find_both(host, pool_name, name)[0]


def find_both(host: Host, pool_name: str, name: str) -> tuple[Volume, VolumeFile]:
    """The same, with its file."""
    handle = find_handle(host, pool_name, name)
    with _asking_of(host, pool_name, f"volume {name!r} of pool {pool_name!r}"):
        return read_both(handle, pool_name)


@contextmanager
def _asking_of(host: Host, pool_name: str, subject: str) -> Iterator[None]:
    """`asking`; but where it failed as the pool's storage is gone, that is what is raised: WrongState."""
    try:
        yield
    except host.lib.libvirtError as error:
        translated = translate(error, subject)
        if not isinstance(translated, Disconnected):
            require_usable(show_pool(host, pool_name))
        raise translated from None


def find_handle(host: Host, pool_name: str, name: str) -> Any:
    """Looked for a second time after a refresh: it may have been copied there since the last one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        message = f"volume {os.fsencode(name)!r} of pool {pool_name!r} cannot be asked for: its name is not UTF-8"
        raise NotFound(message, "rename its file") from None
    for fresh in (False, True):
        if fresh:
            list_pools(host, (pool_name,))
        try:
            return find_active_pool(host, pool_name).storageVolLookupByName(name)
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_STORAGE_VOL"):
                raise translate(error, f"volume {name!r}") from None
    message = f"volume {name!r} does not exist in pool {pool_name!r}"
    raise missing(host, message, name, lambda: names(host, pool_name), f"kimchictl volume list {pool_name}")


def find_by_path(host: Host, path: str) -> Volume | None:
    """The volume at `path` in an active pool, which is refreshed if need be; None if there is none."""
    found = _at(host, path)
    if found is None and (pools := pools_at(host, os.path.dirname(path))):
        list_pools(host, pools)
        found = _at(host, path)
    return found


def _at(host: Host, path: str) -> Volume | None:
    try:
        handle = host.conn.storageVolLookupByPath(path)
        return read_volume(handle, handle.storagePoolLookupByVolume().name())
    except host.lib.libvirtError as error:
        if is_code(error, "NO_STORAGE_VOL", "NO_STORAGE_POOL"):
            return None
        raise translate(error, f"volume {path}") from None


def place_of(host: Host, path: str) -> tuple[str | None, str | None]:
    """(pool, name) of the volume at `path`, as libvirt knows it now; (None, None) where it has none or may not say."""
    try:
        handle = host.conn.storageVolLookupByPath(path)
        return handle.storagePoolLookupByVolume().name(), handle.name()
    except host.lib.libvirtError:
        return None, None


def list_volumes(
    host: Host, pool_name: str, reachable: bool = True, note: Callable[[str], None] = silent
) -> list[Volume]:
    """The volumes of an active pool, by name; one that vanishes meanwhile, or that has no UTF-8 name, is left out.

    `note` is told of those that are left out.

    A pool of files of this machine costs four calls, whatever is in it; any other one a call each. One that is not
    `reachable` is listed with what libvirt remembers.
    """
    pool = find_active_pool(host, pool_name)
    with asking(f"pool {pool_name!r}: volume list"):
        said = answer_within(host, TIMEOUT, lambda: (pool.listAllVolumes(0), pool.XMLDesc(0)), f"pool {pool_name!r}")
        handles, root = said[0], xml.parse(said[1], f"pool {pool_name!r}")
    here = host.is_local and not host.is_test and root.get("type") in FILE_POOLS
    directory = xml.text(root, "target/path") if here else None
    volumes, unspeakable = [], 0
    for handle in handles:
        try:
            volumes.append(_one(handle, pool_name, directory, reachable))
        except UnicodeDecodeError:
            unspeakable += 1
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_STORAGE_VOL"):
                note(f"a volume of pool {pool_name!r} was left out: {error.get_error_message()}")
    if unspeakable:
        note(f"volumes of pool {pool_name!r} that were left out, as their names are not UTF-8: {unspeakable}")
    return sorted(volumes, key=lambda volume: (volume.name.casefold(), volume.name))


def _one(handle: Any, pool_name: str, directory: str | None, reachable: bool) -> Volume:
    """One volume, from its file in `directory` (None: it has none here), else from libvirt."""
    name = handle.name()
    if not reachable:  # without touching the storage: asking for its XML would open it
        path = f"{directory}/{name}" if directory else handle.path()
        return Volume(name, pool_name, TYPES[0], None, path, None, None)
    seen = read_local(directory, name) if directory else None
    return read_volume(handle, pool_name) if seen is None else Volume(name, pool_name, *seen)


def read_volume(handle: Any, pool_name: str) -> Volume:
    """One volume, from its XML."""
    return read_both(handle, pool_name)[0]


def read_both(handle: Any, pool_name: str) -> tuple[Volume, VolumeFile]:
    """The same, with its file."""
    name = handle.name()
    root = xml.parse(handle.XMLDesc(0), f"volume {name!r}")
    times = _seconds(root, "mtime"), _seconds(root, "ctime")
    file = VolumeFile(xml.number(root, "physical"), *times, read_permissions(root))
    return _volume(root, name, pool_name), file


def _volume(root: xml.Element, name: str, pool_name: str) -> Volume:
    form, below = root.find("target/format"), root.find("backingStore/format")
    return Volume(
        name=name,
        pool=pool_name,
        type=root.get("type") or TYPES[0],
        format=form.get("type") if form is not None else None,
        path=xml.text(root, "target/path"),
        capacity=xml.number(root, "capacity"),
        allocation=xml.number(root, "allocation"),
        backing=xml.text(root, "backingStore/path"),
        backing_format=below.get("type") if below is not None else None,
        physical=xml.number(root, "physical"),
    )


def _seconds(root: xml.Element, name: str) -> float | None:
    """A time of the volume's file; None for what has none."""
    found = xml.text(root, f"target/timestamps/{name}")
    try:
        return float(found) if found else None
    except ValueError:
        return None


def create_volume(
    host: Host,
    pool_name: str,
    name: str,
    capacity: int,
    form: str,
    base: str | None = None,
    base_format: str | None = None,
    permissions: Permissions | None = None,
) -> Volume:
    """Make it. Raises Exists, NotFound, WrongState, Invalid."""
    check_name(name)
    pool = find_active_pool(host, pool_name)
    with _asking_of(host, pool_name, f"volume {name!r} cannot be created in pool {pool_name!r}"):
        kind = xml.parse(pool.XMLDesc(0), f"pool {pool_name!r}").get("type")
        if name in _names(pool):
            list_pools(host, (pool_name,))  # its file may have been removed since the last refresh
        if name in _names(pool):
            raise Exists(f"volume {name!r} already exists in pool {pool_name!r}")
        block = kind in BLOCK_POOLS
        if block and form != "raw":
            raise Invalid(f"format {form!r} of volume {name!r} is not possible in a pool of type {kind}", "use raw")
        handle = pool.createXML(volume_xml(name, capacity, form, base, base_format, block, permissions), 0)
        return read_volume(handle, pool_name)


def _names(pool: Any) -> set[str]:
    names = set()
    for volume in pool.listAllVolumes(0):
        try:
            names.add(volume.name())
        except UnicodeDecodeError:
            continue  # not a name that anybody can ask for
    return names


def names(host: Host, pool_name: str) -> set[str]:
    """The names that are taken in a pool."""
    pool = find_active_pool(host, pool_name)
    with asking(f"pool {pool_name!r}: volume list"):
        return _names(pool)


def check_name(name: str) -> None:
    """Raises Invalid for what cannot be a file's name."""
    if not name.strip():
        raise Invalid("a volume needs a name")
    if any("\udc80" <= character <= "\udcff" for character in name):
        raise Invalid(f"volume name {os.fsencode(name)!r} is not UTF-8")
    if "/" in name or name in (".", "..") or "\n" in name:
        raise Invalid(f"volume name {name!r} cannot hold a '/' or a line break")
    if len(name.encode("utf-8", "surrogateescape")) > 255:
        raise Invalid(f"volume name {name[:20]!r}... is longer than 255 bytes")


def delete_volume(host: Host, pool_name: str, name: str) -> None:
    """Delete it and its data; whether something needs it, the caller has looked. Raises NotFound, WrongState."""
    volume = find_handle(host, pool_name, name)
    with asking(f"volume {name!r} of pool {pool_name!r} cannot be deleted"):
        volume.delete(0)
