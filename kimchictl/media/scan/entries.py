"""What is remembered of each file that may be an image, and the look at it that tells whether it must be opened again.

Entry      one file: where, its status when it was read, and what was found in it
examine    candidate paths -> entries; opens only what is new or changed
"""

import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kimchictl.media.records import Image
from kimchictl.media.scan.walk import RACY, Counters
from kimchictl.progress import SILENT, Progress

FIELDS = Image._fields
ABSENT = "absent"  # Image.error of an image whose file system is not mounted, or whose directory cannot be read
INCOMPLETE = "incomplete"  # as kimchictl.media.descriptors says it, which is not loaded when nothing changed
_LISTS = ("boot", "used_by")

Row = str  # an Image as `iso list -o json` prints it in a long list: an object of JSON in one line
Status = tuple[int, int, int, int, int]


class Entry(NamedTuple):
    """One file. `status` is (device, inode, size, mtime ns, ctime ns) when it was read; ctime 0 never matches again.

    `row` is the image, or None for a file that is none; `problem` says why it cannot be used. `also` are other names
    of the same file (hard links, bind mounts). `mount` is that of an absent image (Mount.row). `pending`: not yet
    offered to a scan that makes templates.
    """

    path: str
    status: Status
    row: Row | None = None
    problem: str | None = None
    also: tuple[str, ...] = ()
    mount: list[str] | None = None
    pending: bool = False

    @property
    def image(self) -> Image | None:
        return None if self.row is None else to_image(self.row)

    @property
    def absent(self) -> bool:
        return self.mount is not None


def to_row(image: Image) -> Row:
    return _line(image._asdict())


def _line(values: dict[str, Any]) -> Row:
    text = json.dumps(values, ensure_ascii=False)
    try:
        text.encode()
        return text
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return json.dumps(values)


def to_values(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What each row says, by the names of an Image's fields."""
    values: list[dict[str, Any]] = json.loads(f"[{','.join(rows)}]")  # at once: half the time of one by one
    return values


def to_images(rows: Iterable[Row]) -> list[Image]:
    return [Image(**(values | {name: tuple(values[name]) for name in _LISTS})) for values in to_values(rows)]


def to_image(row: Row) -> Image:
    return to_images((row,))[0]


def changed(row: Row, **values: Any) -> Row:
    """The row with other values for some fields."""
    return _line(json.loads(row) | values)


def rearranged(row: Row) -> Row:
    """A row that another version wrote, with the fields of this one."""
    values = json.loads(row)
    return _line({name: values.get(name, usual) for name, usual in Image("", "")._asdict().items()})


class Examination:
    """Looks at candidate files. `entries` has one for the several names of a file, the first in order.

    `problems` are paths that could not even be looked at. `probe` is called for what is not `known` with the same
    status; without `trust`, for all. `keep_others` remembers files that are no images, too. `touching`, if given, is
    told each path before it is touched.
    """

    def __init__(
        self,
        known: Mapping[str, Entry],
        probe: Callable[[str], Image],
        counters: Counters,
        trust: bool = True,
        keep_others: bool = True,
        touching: Callable[[bytes], None] | None = None,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self._known, self._probe, self._counters = known, probe, counters
        self._trust, self._keep_others, self._touching = trust, keep_others, touching
        self._first: dict[tuple[int, int], str] = {}
        self.problems: dict[bytes, str] = {}

    def look_at(self, paths: Iterable[bytes], progress: Progress = SILENT) -> None:
        """Make the entries of those of `paths` that are regular files."""
        for raw in sorted(set(paths)):
            if self._touching is not None:
                self._touching(raw)
            try:
                status = _status(raw)
            except OSError as error:
                self.problems[raw] = (error.strerror or str(error)).lower()
                continue
            if status is None:
                continue
            path = os.fsdecode(raw)
            first = self._first.setdefault(status[:2], path)
            if first != path:
                if first in self.entries:
                    entry = self.entries[first]
                    self.entries[first] = entry._replace(also=(*entry.also, path))
                continue
            if self.take(path, status):
                progress.advance(self._counters.read, f"{self._counters.opened} images, {path}")

    def take(self, path: str, status: Status) -> bool:
        """Make the entry of one file whose status is known; whether it had to be opened."""
        old = self._known.get(path)
        if old is not None and old.status == status and self._trust:
            self.entries[path] = old._replace(also=()) if old.also else old
            return False
        self._open(path, status, old)
        return True

    def _open(self, path: str, status: Status, old: Entry | None) -> None:
        entry = _look(path, status, old, self._probe)
        self._counters.opened += 1
        if entry.row is not None or entry.problem or self._keep_others:
            self.entries[path] = entry


def _look(path: str, status: Status, old: Entry | None, probe: Callable[[str], Image]) -> Entry:
    """Open one file. What is incomplete or cannot be read is looked at again next time, whatever its status."""
    began = time.time_ns()
    image = probe(path)
    settled = image.readable and image.error != INCOMPLETE and status[4] < began - RACY
    status = status if settled else (*status[:4], 0)
    if image.readable and image.error is not None and image.volume_id is None:
        named_so = path[-4:].lower() == ".iso"  # most files called .img are disks, and nobody wants to hear of them
        return Entry(path, status, None, image.error if named_so else None)
    if not image.readable and (old is None or old.row is None):
        return Entry(path, status, None, image.error)
    if not image.readable and old is not None and old.row is not None:
        row = changed(old.row, error=image.error, readable=False)
        return Entry(path, status, row, image.error, pending=old.pending)
    return Entry(path, status, to_row(image), image.error, pending=old.pending if old else False)


def mark_absent(entry: Entry, mount: list[str]) -> Entry:
    """The entry of an image that cannot be looked at now; `mount` is the file system it lay on."""
    row = None if entry.row is None else changed(entry.row, error=ABSENT, readable=False)
    return entry._replace(row=row, status=(*entry.status[:4], 0), mount=mount)


def _status(path: bytes) -> Status | None:
    """What tells one content of a regular file from another; None for what is none, or went away."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
