"""The directory walk: which directories lie below a place, and which of their files may be images.

A directory is opened by its name in the one above, which is held open: the kernel resolves one component instead of
twenty, no link is followed, and nothing can be exchanged on the way. Its stamp is taken from the open directory before
it is read: what changes while it is read shows next time. Paths are bytes.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

from kimchictl.media.scan.borders import Borders
from kimchictl.media.scan.mounts import Mount, Mounts
from kimchictl.media.scan.rules import Rules
from kimchictl.media.scan.trail import Trail
from kimchictl.progress import SILENT, Progress

RACY = 3_000_000_000  # ns: a stamp as young as this may still be that of a later change in the same tick of the clock
UNKNOWN = 0  # a stamp that is equal to none

# Every spelling of the two suffixes: one look into a set per name, where lower() would cost three times as much.
SUFFIXES = frozenset(
    "." + "".join(letters) for word in ("iso", "img") for letters in product(*((c, c.upper()) for c in word))
)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_HELD = 150  # directories held open at most, whatever the depth of the tree
_SMALLEST = 17 * 2048  # ECMA-119 6.2.1, 8.1: sixteen sectors of system area and a descriptor


class Counters:
    """What a scan did: directories known, those read, files seen in these; images known, files opened and read."""

    __slots__ = ("bytes", "directories", "files", "images", "opened", "read", "reads")

    def __init__(self) -> None:
        self.directories = self.read = self.files = 0
        self.images = self.opened = self.reads = self.bytes = 0

    def add(self, other: "Counters") -> None:
        for name in Counters.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class _Open(NamedTuple):
    """A directory held open: what its children's paths begin with, those not read yet, and whether it keeps stamps."""

    fd: int
    prefix: bytes
    names: list[bytes]
    stamped: bool


class Walk:
    """Walks trees by `rules`; the result is `trail`, `files` (absolute paths), `problems` (path -> why), `counters`.

    A KeyboardInterrupt sets `interrupted`: then these are what was found until then, and the trail is of no use.
    `touching`, if set, is told each path before it is touched.
    """

    def __init__(self, rules: Rules, mounts: Mounts, progress: Progress = SILENT, deadline: float = 10.0) -> None:
        self.rules, self.mounts, self.progress = rules, mounts, progress
        self.trail, self.files, self.counters = Trail(), list[bytes](), Counters()
        self.problems: dict[bytes, str] = {}
        self.borders = Borders(rules, mounts, deadline, self.problems)
        self.interrupted = False
        self.touching: Callable[[bytes], None] | None = None
        self._excluded = rules.excluded()
        self._young = time.time_ns() - RACY  # at the beginning: whatever changes from then on is too young
        self._links: list[bytes] = []
        self._seen: set[tuple[int, int]] | None = None
        self._points: dict[bytes, Mount] = {}
        self._device: int | None = None

    def enter(self, place: bytes) -> bool:
        """Make ready for `place`, a real path, and say whether it is a place to look at."""
        if not self.borders.enter(place):
            return False
        self._points, self._device = self.borders.points, None
        if self.borders.can_lead_in_circles():
            self._seen = set() if self._seen is None else self._seen
        return True

    @property
    def divisible(self) -> bool:
        """Can two walks share the work, each knowing nothing of what the other met?"""
        return self._seen is None

    def begin_anew(self) -> None:
        """Forget what was found so far: somebody else has it."""
        self.trail, self.files, self.counters = Trail(), [], Counters()
        self.problems.clear()

    def follow_links(self) -> None:
        """Read what links that were met lead to."""
        while self._links and not self.interrupted:
            target = self._links.pop()
            if self.may_enter(target, linked=True):
                self.descend(target)

    def descend(self, top: bytes) -> None:
        """Read `top` and what lies below, parents first."""
        stack: list[_Open] = []
        stamped = self.mounts.covering(top).stamped
        try:
            opened = self._open(top, None, top)
            if opened is not None:
                names = self.visit(opened, top, stamped)
                stack.append(_Open(opened, top.rstrip(b"/") + b"/", names, stamped))
            while stack:
                above = stack[-1]
                if not above.names:
                    os.close(stack.pop().fd)
                    continue
                name = above.names.pop()
                path = above.prefix + name
                opened = self._open(name, above.fd, path)
                if opened is None:
                    continue
                stamped = self._points[path].stamped if path in self._points else above.stamped
                names = self.visit(opened, path, stamped)
                if names and len(stack) < _HELD:
                    stack.append(_Open(opened, path + b"/", names, stamped))
                    continue
                os.close(opened)
                above.names.extend(name + b"/" + child for child in names)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            for above in stack:
                os.close(above.fd)

    def read(self, path: bytes) -> list[bytes]:
        """Read one directory, by its path: the names in it to enter."""
        return self.renew(path, None) or []

    def renew(self, path: bytes, identity: tuple[int, int] | None) -> list[bytes] | None:
        """The same; None if it is not the directory with this `identity` (device, inode) any more."""
        stamped = self.mounts.covering(path).stamped
        opened = self._open(path, None, path)
        if opened is None:
            return None
        try:
            status = os.fstat(opened)
            if identity is not None and (status.st_dev, status.st_ino) != identity:
                return None
            return self.visit(opened, path, stamped)
        except KeyboardInterrupt:
            self.interrupted = True
            return []
        finally:
            os.close(opened)

    def keep(self, path: bytes, stamp: int, device: int, inode: int) -> None:
        """Take one directory into the trail as it was remembered, unread."""
        self.trail.add(path, stamp, device, inode)
        if self._seen is not None:
            self._seen.add((device, inode))

    def resume(self, place: bytes, device: int) -> bool:
        """Make ready to go on with what is remembered of `place`; see `enter`."""
        entered = self.enter(place)
        self._device = device
        return entered

    def visit(self, opened: int, path: bytes, stamped: bool) -> list[bytes]:
        """Read the open directory `path` into the trail; the names of the directories in it that are to be read."""
        status = os.fstat(opened)
        stamp = self._stamp(status) if stamped else UNKNOWN
        if status.st_dev != self._device and not self._crosses(status):
            self.trail.add(path, stamp, status.st_dev, status.st_ino)
            return []
        if self._seen is not None and self._met(status):
            self.trail.add(path, UNKNOWN, status.st_dev, status.st_ino)
            return []
        try:
            names = self._read(opened, path)
        except OSError as error:
            self._unreadable(path, error)
            return []
        self.trail.add(path, stamp, status.st_dev, status.st_ino)
        self.counters.read += 1
        if not self.counters.read & 255:
            self.progress.advance(self.counters.read, f"{len(self.files)} images, {os.fsdecode(path)}")
        return names

    def _stamp(self, status: os.stat_result) -> int:
        """The later of mtime and ctime in ns, or UNKNOWN for one too young (or of the future) to be believed."""
        changed, modified = status.st_ctime_ns, status.st_mtime_ns
        stamp = changed if changed > modified else modified
        return stamp if stamp < self._young else UNKNOWN

    def _open(self, name: bytes, base: int | None, path: bytes) -> int | None:
        if self.touching is not None:
            self.touching(path)
        try:
            return os.open(name, _DIRECTORY, dir_fd=base)
        except (FileNotFoundError, NotADirectoryError):
            return None  # it went away after its parent was read, whose stamp will tell
        except OSError as error:
            self._unreadable(path, error)
            return None

    def _unreadable(self, path: bytes, error: OSError) -> None:
        self.problems[path] = (error.strerror or str(error)).lower()
        self.trail.add(path, UNKNOWN, 0, 0)  # looked at again next time

    def _crosses(self, status: os.stat_result) -> bool:
        """May a directory on another device than the place's be read? A btrfs subvolume is another, too."""
        if self._device is None:
            self._device = status.st_dev
            return True
        return self.rules.cross_filesystems or self.rules.follow_symlinks

    def _met(self, status: os.stat_result) -> bool:
        """Was this directory read before?"""
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:  # type: ignore[operator]
            return True
        self._seen.add(identity)  # type: ignore[union-attr]
        return False

    def _read(self, opened: int, path: bytes) -> list[bytes]:
        """List one directory: its candidates go to `files`, the directories to enter are returned."""
        prefix = path if path.endswith(b"/") else path + b"/"
        below, files, any_name = [], 0, self.rules.all_files or self.rules.follow_symlinks
        with os.scandir(opened) as entries:
            for entry in entries if self.touching is None else self._told(entries, path):
                if entry.is_dir(follow_symlinks=False):
                    below.append(os.fsencode(entry.name))
                else:
                    files += 1
                    if entry.name[-4:] in SUFFIXES or any_name:
                        self._candidate(prefix + os.fsencode(entry.name), entry)
        self.counters.files += files
        if self._excluded is None and not self._points:
            return below
        return [name for name in below if self.may_enter(prefix + name)]

    def _told(self, entries: Iterable[os.DirEntry[str]], path: bytes) -> Iterator[os.DirEntry[str]]:
        """The entries; `touching` is told of them by the thousand, as many as a server hands out at a time."""
        for number, entry in enumerate(entries):
            if self.touching is not None and not number & 1023:
                self.touching(path)
            yield entry

    def _candidate(self, path: bytes, entry: os.DirEntry[str]) -> None:
        """Take the file if the rules want it; they may want any name."""
        if self._excluded is not None and self._excluded(path):
            return
        if entry.is_symlink():
            if self.rules.follow_symlinks:
                self._follow(path)
        elif entry.is_file(follow_symlinks=False) and (
            entry.name[-4:] in SUFFIXES
            or (self.rules.all_files and entry.stat(follow_symlinks=False).st_size >= _SMALLEST)
        ):
            self.files.append(path)

    def _follow(self, path: bytes) -> None:
        """Note what the link `path` leads to under its real name; links that lead nowhere are passed over."""
        try:
            lead = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        except OSError:
            return
        if not self.borders.may_follow(lead):
            return
        if self.touching is not None:
            self.touching(lead)
        target = os.path.realpath(path)
        if os.path.isdir(target):
            self._links.append(target)
        elif os.path.isfile(target) and (self.rules.all_files or os.fsdecode(path)[-4:] in SUFFIXES):
            self.files.append(target)

    def may_enter(self, path: bytes, linked: bool = False) -> bool:
        """May the directory `path` be entered?"""
        if self._excluded is not None and self._excluded(path):
            return False
        return self.borders.may_enter(path, linked)
