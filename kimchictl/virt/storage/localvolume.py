"""A volume that is a file of this machine, read as libvirt would: without asking it, which costs a call a volume."""

import os
import stat
from typing import NamedTuple

from kimchictl.errors import KimchiError
from kimchictl.media.diskimage import glance
from kimchictl.media.source import open_source


class LocalVolume(NamedTuple):
    """The fields of a Volume from its type on."""

    type: str
    format: str | None
    path: str
    capacity: int
    allocation: int
    backing: str | None = None
    backing_format: str | None = None
    physical: int | None = None


def read_local(directory: str, name: str) -> LocalVolume | None:
    """The volume `name` of the pool on `directory`; None where only libvirt can tell: other formats, other rights."""
    path = f"{directory}/{name}"
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return LocalVolume("dir", "dir", path, 0, 0)
        return _read(path, status) if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError, KimchiError):
        return None


def read_image(path: str) -> LocalVolume | None:
    """The same of a file or a block device that is in no pool."""
    try:
        status = os.stat(path)
        found = _read(path, status) if stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode) else None
    except (OSError, ValueError, KimchiError):
        return None
    return found._replace(type="block") if found and stat.S_ISBLK(status.st_mode) else found


def _read(path: str, status: os.stat_result) -> LocalVolume | None:
    with open_source(path) as source:
        found = glance(source)
    if found is None:
        return None
    # libvirt has a relative name of a backing file lead on from where the image really is, as qemu does.
    backing = found.backing and os.path.normpath(os.path.join(os.path.dirname(found.path), found.backing))
    taken, length = status.st_blocks * 512, status.st_size or None  # libvirt tells no length of 0
    return LocalVolume("file", found.format, path, found.virtual_size, taken, backing, found.backing_format, length)
