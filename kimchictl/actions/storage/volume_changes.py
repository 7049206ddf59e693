"""What is done to volumes: made upon another one, resized, copied by the host, wiped, deleted."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.images.sources import split_source
from kimchictl.actions.storage.listing import Look
from kimchictl.actions.storage.unfinished import noted, require_whole
from kimchictl.actions.storage.volume_use import (
    known,
    known_as_raw,
    require_childless,
    require_content,
    require_still,
)
from kimchictl.actions.vms.vm_usage import as_raw
from kimchictl.errors import Invalid, NotFound, UsageError
from kimchictl.media.diskimage import read_qcow2
from kimchictl.progress import SILENT, Progress
from kimchictl.units import format_size
from kimchictl.virt.storage import volumechange, volumes
from kimchictl.virt.storage.volumes import Volume
from kimchictl.virt.storage.volumesource import open_volume
from kimchictl.virt.storage.volumexml import Permissions

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_LONG_CUT = 16 << 40  # bytes: qemu-img looks at each cluster of what it cuts, holes too, a TiB in seconds
_BACKING_FORMATS = ("qcow2", "raw", "iso")


def create_volume(
    host: "Host",
    pool: str,
    name: str,
    size: int | None,
    form: str | None = None,
    backing: str | None = None,
    state_dir: str | None = None,
) -> Volume:
    """Make a volume of `size` bytes: empty, or upon `backing`, a volume's name in the same pool, POOL/VOLUME or path.

    With `backing` its format is qcow2 and its size by default that of what backs it, never less; by the notes in
    `state_dir` it is known whether that is whole. Raises Exists, NotFound, WrongState, InUse, Invalid, UsageError.
    """
    if size is not None and size <= 0:
        raise UsageError(f"volume {name!r} needs a size above 0")
    if backing is None:
        if size is None:
            raise UsageError(f"volume {name!r} needs a --size")
        return volumes.create_volume(host, pool, name, size, form or "qcow2")
    base = find_backing(host, pool, backing)
    require_still(host, base)  # what backs a volume must not change any more
    if state_dir is not None:
        require_whole(host, state_dir, base)
    if form not in (None, "qcow2"):
        raise Invalid(f"volume {name!r} cannot have the format {form} and a backing file", "use qcow2")
    least = base.capacity or 0
    if size is not None and size < least:
        raise Invalid(f"volume {name!r} cannot be smaller than the {format_size(least)} of what backs it")
    base_form = "qcow2" if base.format == "qcow2" else "raw"
    return volumes.create_volume(host, pool, name, size or least, "qcow2", base.path, base_form)


def find_backing(host: "Host", pool: str, backing: str) -> Volume:
    """The volume that `backing` names, if it can back another one. Raises NotFound, WrongState, Invalid.

    It is what it is known to be, and its header names nothing that is in no pool.
    """
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
    found = known(host, found)
    if found.type not in ("file", "block") or found.format not in _BACKING_FORMATS or not found.path:
        shown = found.type if found.type != "file" else found.format
        raise Invalid(f"volume {found.name!r} cannot back another one: it is a {shown}", "use a qcow2 or raw volume")
    require_known_chain(host, found)
    return found


def require_resizable(host: "Host", volume: Volume, size: int, shrink: bool) -> None:
    """Raises Invalid for a smaller size unless told, InUse if it is being written, or backs others and shrinks."""
    now = volume.capacity or 0
    if size <= 0:
        raise UsageError(f"volume {volume.name!r} needs a size above 0")
    require_content(volume)
    require_still(host, volume)
    if size >= now:
        return
    if not shrink:
        shown = f"volume {volume.name!r} has {format_size(now)}, and {format_size(size)} is less"
        raise Invalid(shown, "what lies beyond would be lost; --shrink says that it may be")
    if volume.format == "qcow2" and now - size > _LONG_CUT:
        raise Invalid(
            f"cutting volume {volume.name!r} from {format_size(now)} to {format_size(size)} would take minutes, while "
            f"libvirt answers nobody about pool {volume.pool!r}",
            f"on the host: qemu-img resize -f qcow2 --shrink {quote(volume.path or '')} {size}",
        )
    require_childless(host, volume)


def resize_volume(host: "Host", volume: Volume, size: int, shrink: bool = False, progress: Progress = SILENT) -> Volume:
    """Make it `size` bytes; as it is then. Raises what `require_resizable` does."""
    require_resizable(host, volume, size, shrink)
    looks = volumes.find_volume(host, volume.pool, volume.name).format
    if looks not in ("raw", "iso") and known_as_raw(host, volume):
        raise Invalid(f"volume {volume.name!r} is a raw disk that looks like {looks}: libvirt would misread it")
    if size != volume.capacity:
        with _seconds_of(progress, f"resizing {volume.name}") as tick:
            volumechange.resize_volume(host, volume.pool, volume.name, size, size < (volume.capacity or 0), tick)
    return volumes.find_volume(host, volume.pool, volume.name)


def copy_here(
    host: "Host",
    volume: Volume,
    pool: str,
    new: str,
    progress: Progress = SILENT,
    state_dir: str | None = None,
    made: Callable[[Volume], None] | None = None,
    permissions: Permissions | None = None,
) -> Volume:
    """Have the host itself copy a volume, and tell `made` of it while it is still noted.

    Raises NotFound, Exists, WrongState, Invalid.
    """
    # What a chain takes together is not known; a device is copied whole.
    total = volume.allocation if volume.backing is None and volume.type == "file" else None
    with noted(host, state_dir, "copy", pool, new, volume.capacity) as note:

        def watch(taken: int) -> None:
            if not note.is_made:
                note.made()
            progress.advance(taken if total is None else min(taken, total), f"{format_size(taken)} taken")

        progress.begin(f"copying {volume.name}", total, "bytes")
        try:
            copy = volumechange.clone_volume(host, volume.pool, volume.name, pool, new, watch, permissions)
        finally:
            progress.end()
        if made is not None:
            made(copy)
        return copy


def require_known_chain(host: "Host", volume: Volume) -> None:
    """Who made an image chose what backs it, and where its data are: any file of the host, if nobody looks.

    Raises Invalid.
    """
    above, seen = volume, {volume.path}
    while True:
        _require_own_data(host, above)
        below = above.backing
        if below is None or below in seen:
            return
        seen.add(below)
        found = volumes.find_by_path(host, below)
        if found is None:
            raise Invalid(
                f"volume {volume.name!r} is backed by {below!r}, which is in no active pool of the host",
                "a guest could have written that: make a pool of its directory if it is right",
            )
        above = as_raw(found) if above.backing_format == "raw" else found


def _require_own_data(host: "Host", volume: Volume) -> None:
    """Raises Invalid for a qcow2 whose data are in another file: libvirt does not tell of that."""
    if volume.format != "qcow2" or host.is_test:
        return
    with open_volume(host, volume.pool, volume.name) as source:
        data_file = read_qcow2(source).data_file
    if data_file is not None:
        raise Invalid(f"volume {volume.name!r} of pool {volume.pool!r} keeps its data in {data_file!r}, another file")


def delete_volume(volume: Volume, look: Look) -> None:
    """Delete it with what is in it. Raises InUse if by now somebody needs it, WrongState if that cannot be told."""
    look.require_unused(look.show(volume.pool, volume.name))
    volumes.delete_volume(look.host, volume.pool, volume.name)
    look.forget(volume)


def wipe_volume(volume: Volume, look: Look, algorithm: str = "zero", progress: Progress = SILENT) -> None:
    """Overwrite all that is in it; libvirt does not tell how far it is. Raises what `delete_volume` does."""
    require_content(volume)
    look.require_unused(look.show(volume.pool, volume.name))
    with _seconds_of(progress, f"wiping {volume.name}") as tick:
        volumechange.wipe_volume(look.host, volume.pool, volume.name, algorithm, tick)


@contextmanager
def _seconds_of(progress: Progress, what: str) -> Iterator[Callable[[], None]]:
    """Reports how long `what`, of which libvirt does not tell how far it is, has taken, each time it is called."""
    began = time.monotonic()
    progress.begin(what, None, "s")
    try:
        yield lambda: progress.advance(int(time.monotonic() - began))
    finally:
        progress.end()
