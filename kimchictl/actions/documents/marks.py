"""What the file system tells of the files that templates name, without ever waiting long for it.

A stat on a dead network mount can hang for ever, and nothing can end it. So a daemon thread does the asking; when one
answer takes over a second, it is left behind with that path and everything else on the same mount is unknown, too.
"""

import errno
import os
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kimchictl.actions.documents.provenance import image_of
from kimchictl.media.scan.mounts import Mounts
from kimchictl.units import format_size, format_time

if TYPE_CHECKING:
    from kimchictl.catalog.records import Template

PATIENCE = 1.0


class Status(NamedTuple):
    """`error` is an errno, 0 when there is something; `directory` that it is one. None in its place: unknown."""

    error: int = 0
    size: int = 0
    mtime: float = 0.0
    directory: bool = False


Statuses = Mapping[str, Status | None]

_NO_IMAGE: Mapping[str, Any] = {}


class Files(NamedTuple):
    """What a template says of files: medium, bases of disks, user data; `image` is what its medium was then."""

    cdrom: str | None
    bases: tuple[str, ...] = ()
    cloud_init: str | None = None
    image: Mapping[str, Any] = _NO_IMAGE

    @property
    def paths(self) -> list[str]:
        """Those that are paths of this machine."""
        return [path for path in (self.cdrom, *self.bases, self.cloud_init) if path and path.startswith("/")]


def files_of(template: "Template") -> Files:
    """The files that a template names."""
    bases = tuple(disk.base for disk in template.disks or () if disk.base)
    return Files(template.cdrom, bases, template.cloud_init, image_of(template.made))


def files_in(row: Mapping[str, Any]) -> Files:
    """The same, of a template as it is printed."""
    bases = tuple(disk["base"] for disk in row["disks"] if disk["base"])
    return Files(row["cdrom"], bases, row["cloud_init"], image_of(row["made"]))


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


def problems_of(files: Files, statuses: Statuses) -> list[str]:
    """A sentence for each file that is not as the template wants it; empty when all is well or nothing is named."""
    found = []
    for path in files.paths:
        status = statuses.get(path, _FINE)
        if status is not None and not status.error and not status.directory:
            continue
        what = "image" if path == files.cdrom else "user data" if path == files.cloud_init else "base image"
        found.append(f"{what} {path} {_problem(status)}")
    cdrom = statuses.get(files.cdrom or "")
    if not found and cdrom is not None and (change := _change(files, cdrom)):
        found.append(change)
    return found


_FINE = Status()


def _problem(status: Status | None) -> str:
    if status is None:
        return "is unknown: its file system does not answer"
    if status.error in (errno.ENOENT, errno.ENOTDIR):
        return "is missing"
    return f"cannot be looked at: {os.strerror(status.error)}" if status.error else "is a directory"


def _change(files: Files, status: Status) -> str | None:
    """That the image is not the one the template was made from, as far as size and time tell."""
    size, mtime = files.image.get("size"), files.image.get("mtime")
    if isinstance(size, int) and status.size and size != status.size:
        now_large, was_large = format_size(status.size), format_size(size)
        if now_large.replace(".0", "") == was_large.replace(".0", ""):
            now_large, was_large = f"{status.size} bytes", f"{size}"
        return f"image {files.cdrom} changed: {now_large}, it was {was_large}"
    if isinstance(mtime, str) and mtime != (now := format_time(status.mtime)):
        return f"image {files.cdrom} changed at {now}, it was of {mtime}"
    return None
