"""osinfo-db as data: which of its entries match a medium, and what it knows of a system.

It matches as libosinfo does (osinfo_media_matches): every label an entry gives must match, a label it does not give is
a wildcard, an empty label matches no pattern, a volume size is compared in bytes. The one difference: a pattern must
match at the start of the label, as that database's own tests have it; searched anywhere, some take others' labels.
Among the entries that match, one of a rolling release, and one for `arch="all"`, counts only if no other does.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from kimchictl.media.naming.osinfo_cache import load_or_compile
from kimchictl.media.naming.osinfo_compile import PREFIX_LENGTH, Document
from kimchictl.media.naming.osinfo_files import directories, find_files
from kimchictl.media.records import Media


@dataclass(frozen=True, slots=True)
class System:
    """One operating system of the database. `eol` and `released` are dates (YYYY-MM-DD) or None.

    `parents` are the ids of the systems it derives from or clones. `resources` maps an architecture or "all" to
    what is recommended, bytes of memory, number of CPUs, bytes of storage, and the same three as a minimum; 0 is none.
    """

    id: str
    short_id: str
    distro: str
    version: str
    name: str
    family: str
    status: str
    released: str | None
    eol: str | None
    parents: list[str]
    resources: dict[str, list[int]]
    devices: list[str]
    refused: list[str]
    firmware: dict[str, list[str]]

    @property
    def vague(self) -> bool:
        """Whether the entry only says "some release of this, we do not know which"."""
        return self.short_id.endswith("-unknown") or self.short_id == "unknown" or self.version.endswith("unknown")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the database that matches a medium. `arch` is None for "all"; `rank` orders entries, best first."""

    system: System
    arch: str | None
    live: bool
    rank: tuple[int, ...]


class Database:
    """The compiled database; what it does not need it does not compile or build."""

    def __init__(self, document: Document) -> None:
        self._oses: list[list[Any]] = document["oses"]
        self._media: list[list[Any]] = document["media"]
        self._texts, self._literals, self._whole = document["patterns"]
        self._index: Mapping[str, list[int]] = document["index"]
        self._compiled: dict[int, re.Pattern[str] | None] = {}
        self._ids: dict[str, int] | None = None
        # About the day it was made: the last release that it knows of.
        self.date = max((day for day in self._oses[7] if day), default="")
        self.skipped: tuple[str, ...] = tuple(document.get("skipped", ()))

    def __len__(self) -> int:
        return len(self._oses[0])

    def matches(self, media: Media) -> list[Entry]:
        """The entries that match, best first; an entry for each system at most."""
        entries: dict[int, Entry] = {}
        for number in self._candidates(media.volume_id):
            if not self._matches(number, media):
                continue
            row = [column[number] for column in self._media]
            system = self._system(row[0])
            arch = None if row[1] == "all" else row[1]
            entry = Entry(system, arch, bool(row[2]), _rank(system, row))
            entries[row[0]] = _better(entry, entries.get(row[0]))
        # Of several as good the newest, since images of new systems are the ones that are installed.
        newest_first = sorted(entries.values(), key=lambda entry: entry.system.released or "", reverse=True)
        return sorted(newest_first, key=lambda entry: entry.rank)

    def system(self, short_id: str) -> System | None:
        """The system with this short id."""
        _, short_ids, *_ = self._oses
        return self._system(short_ids.index(short_id)) if short_id in short_ids else None

    def find(self, distro: str, version: str) -> System | None:
        """The system of this distribution with this version, or the one that a point release belongs to."""
        numbers = self._of(distro)
        while version:
            for number in numbers:
                if self._oses[3][number] in (version, f"{version}.0"):
                    return self._system(number)
            version = version.rpartition(".")[0]
        return None

    def newest(self, distro: str) -> System | None:
        """The system of a distribution that was released last."""
        systems = [self._system(number) for number in self._of(distro)]
        released = [system for system in systems if system.released and system.status == "released"]
        return max(released, key=lambda system: system.released or "", default=None)

    def _of(self, distro: str) -> list[int]:
        return [number for number, name in enumerate(self._oses[2]) if name.lower() == distro.lower()]

    def _system(self, number: int) -> System:
        return System(*[column[number] for column in self._oses])

    def lineage(self, system: System) -> Iterator[System]:
        """The system, then what it derives from and clones, nearest first, each once."""
        if self._ids is None:
            self._ids = {name: number for number, name in enumerate(self._oses[0])}
        queue, seen = [system], {system.id}
        for current in queue:
            yield current
            for parent in current.parents:
                if parent in self._ids and parent not in seen:
                    seen.add(parent)
                    queue.append(self._system(self._ids[parent]))

    def _candidates(self, volume_id: str) -> Iterator[int]:
        for length in range(min(len(volume_id), PREFIX_LENGTH), -1, -1):
            yield from self._index.get(volume_id[:length], ())

    def _matches(self, number: int, media: Media) -> bool:
        """Whether all that an entry gives is so; the volume id first, which decides nearly always."""
        _, _, _, sizes, volumes, systems, publishers, applications = self._media
        return (
            self._match(volumes[number], media.volume_id)
            and (not sizes[number] or sizes[number] == media.volume_size)
            and self._match(systems[number], media.system_id)
            and self._match(publishers[number], media.publisher_id)
            and self._match(applications[number], media.application_id)
        )

    def _match(self, index: int, label: str) -> bool:
        if index < 0:
            return True
        if not label or not label.startswith(self._literals[index]):
            return False
        if self._whole[index]:
            return True
        if index not in self._compiled:
            try:
                self._compiled[index] = re.compile(self._texts[index])
            except (re.error, RecursionError, OverflowError):
                self._compiled[index] = None  # a pattern of another regular expression library names nothing here
        pattern = self._compiled[index]
        return pattern is not None and pattern.match(label) is not None


def _better(entry: Entry, other: Entry | None) -> Entry:
    """The better of two entries for one system; of two as good for different machines one that says neither."""
    if other is None or entry.rank < other.rank:
        return entry
    return replace(other, arch=None) if entry.rank == other.rank and entry.arch != other.arch else other


def _rank(system: System, medium: list[Any]) -> tuple[int, ...]:
    """Fallbacks last, then what is vaguer or less tied down: without a size, with fewer labels."""
    status = {"released": 0, "prerelease": 1, "snapshot": 2, "rolling": 3}.get(system.status, 0)
    return (
        status == 3,
        medium[1] == "all",
        system.vague,
        not medium[3],
        status,
        sum(number < 0 for number in medium[4:]),
    )


def open_database(trees: tuple[str, ...], cache_dir: str | None) -> Database:
    """The database in `trees`, looked for again only when a tree changed; an empty one where none is installed."""
    return _open(trees, cache_dir, tuple(map(_changed, trees)))


@lru_cache(maxsize=4)
def _open(trees: tuple[str, ...], cache_dir: str | None, _changed: tuple[str, ...]) -> Database:
    return Database(load_or_compile(find_files(trees), cache_dir))


def _changed(tree: str) -> str:
    """A stamp of what a package's update touches; in one process that is enough, a new one looks at every file."""
    stamps = []
    for name in ("VERSION", "os"):
        with suppress(OSError):
            stamps.append(str(os.stat(os.path.join(tree, name)).st_mtime_ns))
    return " ".join(stamps)


def installed_database(environ: Mapping[str, str] = os.environ, cache_dir: str | None = None) -> Database:
    """The database that libosinfo would read for the caller."""
    return open_database(directories(environ), cache_dir)
