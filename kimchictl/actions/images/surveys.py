"""One place looked at, and what the index is to remember of it.

Survey        what all have in common
|-- TreeSurvey    a directory tree: walked, or asked whether it is still the same
`-- PoolSurvey    the volumes of a storage pool of this machine
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kimchictl.actions.images.scan_records import ScanOptions
from kimchictl.media.records import Image
from kimchictl.media.scan.document import Place
from kimchictl.media.scan.entries import Entry, Examination, mark_absent
from kimchictl.media.scan.index import Index, stamps_id
from kimchictl.media.scan.mounts import Mounts
from kimchictl.media.scan.pairwalk import walk_place
from kimchictl.media.scan.rewalk import Rewalk
from kimchictl.media.scan.stamps import Stamps, encode
from kimchictl.media.scan.walk import Counters, Walk
from kimchictl.progress import Progress

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host
    from kimchictl.virt.storage.poolcontents import PoolContents


class Survey:
    """`name` is the place's in the index, `old` what was remembered of it, `place` what is to be."""

    def __init__(self, name: str, old: Place | None, options: ScanOptions, naming: str) -> None:
        self.name, self.old, self.options = name, old or Place(), options
        self.known = self.old.entries
        self.counters = Counters()
        self.place = replace(self.old, naming=naming, since=None if self.old.since is None else dict(self.old.since))
        self.stamps: bytes | None = None
        self.interrupted = False
        self.forgetful = False  # the stamps that the index names are gone or damaged
        self.touching: Callable[[bytes], None] | None = None  # is told each path before it is touched

    def run(self, progress: Progress) -> None:
        """Look at the place."""
        raise NotImplementedError

    @property
    def altered(self) -> bool:
        """Is there anything for the index to learn?"""
        return self.forgetful or self.place != self.old

    def examine(
        self, files: Iterable[bytes], probe: Callable[[str], Image], keep_others: bool, progress: Progress
    ) -> Examination:
        """Look at the candidates; a KeyboardInterrupt ends it early."""
        trust = not self.options.full and self.place.naming == self.old.naming
        looked = Examination(self.known, probe, self.counters, trust, keep_others, self.touching)
        try:
            looked.look_at(files, progress)
        except KeyboardInterrupt:
            self.interrupted = True
        return looked

    def learn(self, looked: Examination, problems: dict[bytes, str]) -> None:
        """Take what was found into `place`."""
        self.place.entries = looked.entries
        why = {os.fsdecode(path): reason for path, reason in {**problems, **looked.problems}.items()}
        why |= {path: entry.problem for path, entry in looked.entries.items() if entry.problem}
        self.place.problems = why
        self.counters.images = sum(entry.row is not None for entry in looked.entries.values())
        if self.interrupted:
            self.place.stamps, self.stamps = None, None  # what was not read is not known to be unchanged


class TreeSurvey(Survey):
    """A directory tree: walked, or asked whether it is still the same."""

    def __init__(
        self, top: bytes, old: Place | None, options: ScanOptions, mounts: Mounts, index: Index, naming: str
    ) -> None:
        super().__init__(os.fsdecode(top), old, options, naming)
        self.top, self.mounts, self.index = top, mounts, index
        self.walk = Walk(options.rules, mounts, deadline=options.deadline)
        self.counters = self.walk.counters
        self.place.key = options.rules.key()
        self.place.mounts = [mounts.covering(top).row()]
        self.place.mounts += [mount.row() for _, mount in sorted(mounts.below(top).items())]

    def run(self, progress: Progress) -> None:
        """Walk, look at what was found, and work out what the index is to remember."""
        progress.begin(f"scanning {self.name}", unit="directories")
        self.walk.progress = progress
        try:
            files = self._walk()
        except KeyboardInterrupt:  # between two directories
            files, self.interrupted = self.walk.files, True
        looked = self.examine(files, _prober(self.counters), not self.options.all_files, progress)
        self.interrupted |= self.walk.interrupted
        self._keep_unseen(looked.entries)
        self.learn(looked, self.walk.problems)
        progress.end()

    def _walk(self) -> list[bytes]:
        """The candidate files, from the directories that must be read and the memory of the others."""
        counters, trail = self.walk.counters, self.walk.trail
        known = self._remembered()
        if known is None:
            walk_place(self.walk, self.top)
            counters.directories = len(trail)
            self._remember(encode(trail) if self.options.rules.remembers and trail else None)
            return self.walk.files
        rewalk = Rewalk(self.walk, known)
        rewalk.run(self.top, self._moved_mounts())
        counters.directories = len(known) if rewalk.nothing_new else len(trail)
        if rewalk.nothing_new:
            return self._known_files(None)
        self._remember(encode(trail) if trail else None)
        return self.walk.files + self._known_files(rewalk.kept)

    def _remembered(self) -> Stamps | None:
        """The stamps of the last scan, if they may be believed now."""
        old, rules = self.old, self.options.rules
        if old.stamps is None or self.options.full or not rules.remembers or old.key != rules.key():
            return None
        stamps = self.index.load_stamps(self.name, old.stamps)
        self.forgetful = stamps is None
        return stamps

    def _remember(self, stamps: bytes | None) -> None:
        self.stamps = stamps
        self.place.stamps = None if stamps is None else stamps_id(stamps)

    def _known_files(self, kept: set[bytes] | None) -> list[bytes]:
        """The candidates remembered of directories not read now (`kept`; None: of all), under all their names."""
        names = [os.fsencode(name) for entry in self.known.values() for name in (entry.path, *entry.also)]
        return names if kept is None else [name for name in names if os.path.dirname(name) in kept]

    def _moved_mounts(self) -> list[bytes]:
        """Where below the place something is mounted, or unmounted, since the last scan."""
        moved = [
            row
            for row in (*self.place.mounts, *self.old.mounts)
            if (row in self.place.mounts) != (row in self.old.mounts)
        ]
        points = {os.fsencode(row[0]) for row in moved}
        return sorted(point for point in points if point.startswith(self.top.rstrip(b"/") + b"/"))

    def _keep_unseen(self, entries: dict[str, Entry]) -> None:
        """Known images that were not met, for other reasons than that they are gone."""
        unread = tuple(os.fsdecode(path).rstrip("/") + "/" for path in self.walk.problems)
        for path, entry in self.known.items():
            if path in entries or entry.row is None:
                continue
            if self.interrupted:
                if os.path.lexists(path):
                    entries[path] = entry
                continue
            mount = entry.mount or self._mount_then(path)
            now = self.mounts.covering(os.fsencode(path)).row()
            if _inside(mount, path) != _inside(now, path) or path.startswith(unread):
                entries[path] = mark_absent(entry, mount)

    def _mount_then(self, path: str) -> list[str]:
        """The mount that `path` lay on at the last scan."""
        over = [row for row in self.old.mounts if path.startswith(row[0].rstrip("/") + "/")]
        return max(over, key=lambda row: len(row[0]), default=self.place.mounts[0])


def _inside(mount: list[str], path: str) -> tuple[str, ...]:
    """What `path` is inside its file system. A service that sees /home as a mount of its own means the same /home."""
    point, kind, source, root, fsid = mount
    return kind, source, fsid, os.path.normpath(f"{root}/{path[len(point.rstrip('/')) :]}")


def place_name(host: "Host", pool: str) -> str:
    """What the index calls a pool. A user's session, and a daemon behind another socket, have pools of their own.

    No pool's name holds a "/", so one of the system's is never taken for another's.
    """
    system = host.is_local and host.uri.partition(":///")[2] == "system"
    return f"pool:{pool}" if system else f"pool:{pool}@{host.uri}"


class PoolSurvey(Survey):
    """The volumes of a storage pool of this machine: an image is known by its content, whatever it is called."""

    def __init__(
        self, host: "Host", pool: "PoolContents", old: Place | None, options: ScanOptions, naming: str
    ) -> None:
        super().__init__(place_name(host, pool.name), old, options, naming)
        self.pool = pool

    def run(self, progress: Progress) -> None:
        """Look at every volume."""
        progress.begin(f"scanning pool {self.pool.name}", total=len(self.pool.volumes), unit="volumes")
        volumes = _by_real_path(self.pool.volumes)
        probe = _prober(self.counters)

        def probe_volume(path: str) -> Image:
            image = probe(path)
            return image._replace(source="pool", pool=self.pool.name, volume=volumes.get(path), capacity=image.size)

        looked = self.examine(map(os.fsencode, volumes), probe_volume, True, progress)
        if self.interrupted or self.pool.stale:
            for path, entry in self.known.items():
                if entry.row is not None:
                    looked.entries.setdefault(path, entry)
        self.learn(looked, {})
        progress.end()


def _by_real_path(volumes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Real path -> name of the volumes (name, path); a thousand of them mostly lie in one directory."""
    real: dict[str, str] = {}
    found = {}
    for name, path in volumes:
        above, base = os.path.split(path)
        if above not in real:
            real[above] = os.path.realpath(above)
        path = os.path.join(real[above], base)
        found[os.path.realpath(path) if os.path.islink(path) else path] = name
    return found


def _prober(counters: Counters) -> Callable[[str], Image]:
    """The prober, loaded when first called: only a scan that finds something new needs the rules and what they need."""

    def probe(path: str) -> Image:
        from kimchictl.media.scan.counted import probe_counted

        return probe_counted(path, counters)

    return probe
