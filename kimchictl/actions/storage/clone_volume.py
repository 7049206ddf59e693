"""A copy of a volume with all that backs it."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kimchictl.actions.storage.unfinished import require_finished
from kimchictl.actions.storage.volume_changes import copy_here, require_known_chain
from kimchictl.actions.storage.volume_upload import copy_bytes
from kimchictl.actions.storage.volume_use import known, require_still
from kimchictl.actions.vms.vm_usage import as_raw
from kimchictl.errors import Exists
from kimchictl.progress import SILENT, Progress
from kimchictl.virt.storage import volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def clone_volume(
    host: "Host",
    pool: str,
    name: str,
    to_pool: str | None = None,
    new: str | None = None,
    progress: Progress = SILENT,
    state_dir: str | None = None,
    made: Callable[[Volume], None] | None = None,
) -> Volume:
    """Copy a volume, with all that backs it, into `to_pool` (None: its own) as `new` (None: NAME-clone1).

    With `state_dir` there is a note of it meanwhile, also while `made` is told of the copy. Raises NotFound,
    Exists, InUse, Invalid.
    """
    looks = volumes.find_volume(host, pool, name)
    if state_dir is not None:
        require_finished(host, state_dir, looks)
    target, volume = to_pool or pool, known(host, looks)
    require_still(host, volume)
    require_known_chain(host, volume)
    title = new or _clone_name(name, volumes.names(host, target))
    volumes.check_name(title)
    if title in volumes.names(host, target):
        raise Exists(f"volume {title!r} already exists in pool {target!r}")
    if volume.format == "raw" and looks.format not in ("raw", "iso", None):
        return as_raw(copy_bytes(host, volume, target, title, progress, state_dir, made))
    return copy_here(host, volume, target, title, progress, state_dir, made)


def _clone_name(name: str, taken: set[str]) -> str:
    stem, suffix = os.path.splitext(name)
    number = 1
    while f"{stem}-clone{number}{suffix}" in taken:
        number += 1
    return f"{stem}-clone{number}{suffix}"
