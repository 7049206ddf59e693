"""What is done to volumes: made upon another one, resized, cloned, wiped."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kimchictl.actions.images.sources import split_source
from kimchictl.actions.storage.volume_use import known_as_raw, require_childless, require_still, require_unused
from kimchictl.errors import Invalid, NotFound, UsageError
from kimchictl.progress import SILENT, Progress
from kimchictl.units import GIB, format_size, parse_size
from kimchictl.virt.storage import volumechange, volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_BACKING_FORMATS = ("qcow2", "raw", "iso")


def create_volume(
    host: "Host", pool: str, name: str, size: int | None, form: str | None = None, backing: str | None = None
) -> Volume:
    """Make a volume of `size` bytes: empty, or upon `backing`, a volume's name in the same pool, POOL/VOLUME or path.

    With `backing` its format is qcow2 and its size by default that of what backs it, never less. Raises Exists,
    NotFound, WrongState, Invalid, UsageError.
    """
    if size is not None and size <= 0:
        raise UsageError(f"volume {name!r} needs a size above 0")
    if backing is None:
        if size is None:
            raise UsageError(f"volume {name!r} needs a --size")
        return volumes.create_volume(host, pool, name, size, form or "qcow2")
    base = find_backing(host, pool, backing)
    if form not in (None, "qcow2"):
        raise Invalid(f"volume {name!r} cannot have the format {form} and a backing file", "use qcow2")
    least = base.capacity or 0
    if size is not None and size < least:
        raise Invalid(f"volume {name!r} cannot be smaller than the {format_size(least)} of what backs it")
    base_form = base.format if base.format == "qcow2" and not known_as_raw(host, base) else "raw"
    return volumes.create_volume(host, pool, name, size or least, "qcow2", base.path, base_form)


def find_backing(host: "Host", pool: str, backing: str) -> Volume:
    """The volume that `backing` names, if it can back another one. Raises NotFound, WrongState, Invalid."""
    kind, rest = split_source(backing)
    if kind == "pool":
        there, _, name = rest.partition("/")
        found: Volume | None = volumes.find_volume(host, there, name)
    elif "/" in backing:
        found = volumes.find_by_path(host, os.path.abspath(backing) if host.is_local else backing)
    else:
        found = volumes.find_volume(host, pool, backing)
    if found is None:
        raise NotFound(f"{backing!r} is in no active pool of the host", "kimchictl volume list shows what is")
    if found.type not in ("file", "block") or found.format not in _BACKING_FORMATS or not found.path:
        shown = found.type if found.type != "file" else found.format
        raise Invalid(f"volume {found.name!r} cannot back another one: it is a {shown}", "use a qcow2 or raw volume")
    return found


def parse_new_size(text: str) -> Callable[[int], int]:
    """ "30G" or "+10G" -> the new size from the present one, in bytes; a bare number is GiB. Raises Invalid."""
    size = parse_size(text.removeprefix("+"), bare=GIB)
    return (lambda now: now + size) if text.startswith("+") else (lambda _now: size)


def require_resizable(host: "Host", volume: Volume, size: int, shrink: bool) -> None:
    """Raises Invalid for a smaller size unless told, InUse if it is being written, or backs others and shrinks."""
    now = volume.capacity or 0
    if size <= 0:
        raise UsageError(f"volume {volume.name!r} needs a size above 0")
    require_still(host, volume)
    if size >= now:
        return
    if not shrink:
        shown = f"volume {volume.name!r} has {format_size(now)}, and {format_size(size)} is less"
        raise Invalid(shown, "what lies beyond would be lost; --shrink says that it may be")
    require_childless(host, volume)


def resize_volume(host: "Host", volume: Volume, size: int, shrink: bool = False) -> Volume:
    """Make it `size` bytes; as it is then. Raises what `require_resizable` does."""
    require_resizable(host, volume, size, shrink)
    looks = volumes.find_volume(host, volume.pool, volume.name).format
    if looks not in ("raw", "iso") and known_as_raw(host, volume):
        raise Invalid(f"volume {volume.name!r} is a raw disk that looks like {looks}: libvirt would misread it")
    if size != volume.capacity:
        volumechange.resize_volume(host, volume.pool, volume.name, size, size < (volume.capacity or 0))
    return volumes.find_volume(host, volume.pool, volume.name)


def clone_volume(
    host: "Host",
    pool: str,
    name: str,
    to_pool: str | None = None,
    new: str | None = None,
    progress: Progress = SILENT,
) -> Volume:
    """Copy a volume, with all that backs it, into `to_pool` (None: its own) as `new` (None: NAME-clone1).

    Raises NotFound, Exists, InUse, Invalid.
    """
    volume = volumes.find_volume(host, pool, name)
    target = to_pool or pool
    require_still(host, volume)
    if volume.backing is not None:
        require_known_chain(host, volume)
    title = new or _clone_name(name, volumes.names(host, target))
    if volume.format not in ("raw", "iso") and known_as_raw(host, volume):
        from kimchictl.actions.storage.volume_transfer import copy_bytes

        return copy_bytes(host, volume, target, title, progress)
    return volumechange.clone_volume(host, pool, name, target, title)


def require_known_chain(host: "Host", volume: Volume) -> None:
    """Who made an image chose what backs it: any file of the host, if nobody looks. Raises Invalid."""
    below, seen = volume.backing, {volume.path}
    while below is not None and below not in seen:
        seen.add(below)
        found = volumes.find_by_path(host, below)
        if found is None:
            raise Invalid(f"volume {volume.name!r} is backed by {below!r}, which is in no active pool of the host")
        below = found.backing


def _clone_name(name: str, taken: set[str]) -> str:
    stem, suffix = os.path.splitext(name)
    number = 1
    while f"{stem}-clone{number}{suffix}" in taken:
        number += 1
    return f"{stem}-clone{number}{suffix}"


def wipe_volume(host: "Host", volume: Volume, algorithm: str = "zero") -> None:
    """Overwrite all that is in it. Raises InUse."""
    require_unused(host, volume)
    volumechange.wipe_volume(host, volume.pool, volume.name, algorithm)
