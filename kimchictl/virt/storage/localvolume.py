"""A volume that is a file of this machine, read as libvirt would: without asking it, which costs a call a volume."""

import json
import os
import stat
from typing import NamedTuple

from kimchictl.errors import KimchiError
from kimchictl.media.diskimage import glance, read_qcow2
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
    """The same of a file or a block device that is in no pool; what backs it may be named in qemu's own ways, too."""
    try:
        status = os.stat(path)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
            return None
        found = _read(path, status) or _read_by_protocol(path, status)
    except (OSError, ValueError, KimchiError):
        return None
    return found._replace(type="block") if found and stat.S_ISBLK(status.st_mode) else found


def _read_by_protocol(path: str, status: os.stat_result) -> LocalVolume | None:
    """A qcow2 image whose header names a file by "file:" or "json:", as qemu's command line has it; None for others."""
    with open_source(path) as source:
        image = read_qcow2(source)
    backing = _file_of(image.backing or "")
    if backing is None:
        return None
    taken = status.st_blocks * 512
    return LocalVolume("file", "qcow2", path, image.virtual_size, taken, backing, image.backing_format, status.st_size)


def _file_of(backing: str) -> str | None:
    """The absolute path that {"driver": "qcow2", "file": {"driver": "file", "filename": ...}} or the like leads to."""
    if backing.startswith("json:"):
        try:
            said = json.loads(backing[5:])
        except (ValueError, RecursionError):
            return None
        while isinstance(said, dict):
            said = next((said[key] for key in ("filename", "file.filename", "file") if key in said), None)
        backing = said if isinstance(said, str) else ""
    path = backing.removeprefix("file:")
    return path if path.startswith("/") else None


def _read(path: str, status: os.stat_result) -> LocalVolume | None:
    with open_source(path) as source:
        found = glance(source)
    if found is None:
        return None
    # libvirt has a relative name of a backing file lead on from where the image really is, as qemu does.
    backing = found.backing and os.path.normpath(os.path.join(os.path.dirname(found.path), found.backing))
    taken, length = status.st_blocks * 512, status.st_size or None  # libvirt tells no length of 0
    return LocalVolume("file", found.format, path, found.virtual_size, taken, backing, found.backing_format, length)
