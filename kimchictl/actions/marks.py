"""What the file system tells of the files that templates name, without ever waiting long for it.

A stat on a dead network mount can hang for ever, and nothing can end it. So a daemon thread does the asking; when one
answer takes over a second, it is left behind with that path and everything else on the same mount is unknown, too.
"""

import errno
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kimchictl.actions.provenance import image_of
from kimchictl.catalog.records import Template
from kimchictl.media.mounts import Mounts
from kimchictl.units import format_size, format_time

PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """`error` is an errno, 0 when there is something; `directory` that it is one. None in its place: unknown."""

    error: int = 0
    size: int = 0
    mtime: float = 0.0
    directory: bool = False


Statuses = Mapping[str, Status | None]


def files_of(template: Template) -> list[str]:
    """The paths of this machine that a template names: its medium, the bases of its disks, its user data."""
    bases = (disk.base for disk in template.disks or ())
    return [path for path in (template.cdrom, *bases, template.cloud_init) if path and path.startswith("/")]


def look_at(paths: Iterable[str], patience: float = PATIENCE) -> Statuses:
    """The status of each path; None where the answer took more than `patience` seconds."""
    wanted = list(dict.fromkeys(paths))
    mounts = Mounts.read()
    if not mounts.may_hang():
        return {path: _status(path) for path in wanted}
    found: dict[str, Status | None] = {}
    while wanted:
        asking = _Asking(wanted)
        asking.start()
        done = asking.finished(patience)
        found.update(done)
        rest = wanted[len(done) :]
        if not rest:
            break
        stuck = mounts.covering(os.fsencode(rest[0]))
        found.update((path, None) for path in rest if mounts.covering(os.fsencode(path)) == stuck)
        wanted = [path for path in rest if path not in found]
    return found


class _Asking(threading.Thread):
    """Asks for one path after the other; who waits looks whether it gets on."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(daemon=True)  # one that hangs must not keep the process from ending
        self._paths, self._found = paths, dict[str, Status]()
        self._all = threading.Event()

    def run(self) -> None:
        for path in self._paths:
            self._found[path] = _status(path)
        self._all.set()

    def finished(self, patience: float) -> dict[str, Status]:
        """What is known when all is, or when one path has taken `patience`; in the order of the paths."""
        before = -1
        while not self._all.wait(patience) and len(self._found) != before:
            before = len(self._found)
        return dict(list(self._found.items()))


def _status(path: str) -> Status:
    try:
        status = os.stat(path)
    except OSError as error:
        return Status(error.errno or errno.EIO)
    except ValueError:
        return Status(errno.ENOENT)
    return Status(0, status.st_size, status.st_mtime, (status.st_mode & 0o170000) == 0o040000)


def problems_of(template: Template, statuses: Statuses) -> list[str]:
    """A sentence for each file that is not as the template wants it; empty when all is well or nothing is named."""
    found = []
    for path in files_of(template):
        what = "image" if path == template.cdrom else "user data" if path == template.cloud_init else "base image"
        if problem := _problem(f"{what} {path}", statuses.get(path, Status())):
            found.append(problem)
    cdrom = statuses.get(template.cdrom or "")
    if not found and cdrom is not None and (change := _change(template, cdrom)):
        found.append(change)
    return found


def _problem(what: str, status: Status | None) -> str | None:
    if status is None:
        return f"{what} is unknown: its file system does not answer"
    if status.error in (errno.ENOENT, errno.ENOTDIR):
        return f"{what} is missing"
    if status.error:
        return f"{what} cannot be looked at: {os.strerror(status.error)}"
    return f"{what} is a directory" if status.directory else None


def _change(template: Template, status: Status) -> str | None:
    """That the image is not the one the template was made from, as far as size and time tell."""
    was = image_of(template.made)
    size, mtime = was.get("size"), was.get("mtime")
    if isinstance(size, int) and status.size and size != status.size:
        return f"image {template.cdrom} changed: {format_size(status.size)}, it was {format_size(size)}"
    if isinstance(mtime, str) and mtime != format_time(status.mtime):
        return f"image {template.cdrom} changed at {format_time(status.mtime)}, it was of {mtime}"
    return None
