"""Find images: the trees below some places, or the storage pools of a host, into the index.

ScanOptions    how to look
deep_scan      directory trees, without libvirt
ScanResult     the images, what changed, what could not be read
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property

from kimchictl.errors import Failed, KimchiError, NotFound, TimedOut
from kimchictl.media.changes import compare, note_changes, rows_of, since_reported, spread
from kimchictl.media.entries import ABSENT, INCOMPLETE, Entry, Examination, Row, mark_absent, to_image
from kimchictl.media.index import Document, Index, Place, is_declined, stamps_id
from kimchictl.media.mounts import Mounts, answers
from kimchictl.media.records import Image
from kimchictl.media.rewalk import Rewalk
from kimchictl.media.stamps import Stamps, encode
from kimchictl.media.walk import Counters, Rules, Walk
from kimchictl.progress import SILENT, Progress

FRESH_SECONDS = 60  # an image that changed since then may still be on its way


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """How to look. `full` reads every directory and opens every image, whatever is remembered.

    `changed`: report, and settle, what changed since the last time somebody asked. `create_templates`: offer images
    first seen. `deadline` (s): how long a path may take to answer for the first time.
    """

    exclude: tuple[str, ...] = ()
    cross_filesystems: bool = False
    follow_symlinks: bool = False
    all_files: bool = False
    full: bool = False
    changed: bool = False
    create_templates: bool = False
    deadline: float = 10.0

    @property
    def rules(self) -> Rules:
        return Rules(self.exclude, self.cross_filesystems, self.follow_symlinks, self.all_files)


@dataclass(frozen=True, slots=True)
class Change:
    """`change` is "added", "removed" or "changed"; a removed image is as it was last seen."""

    change: str
    image: Image


@dataclass(frozen=True, slots=True)
class Problem:
    """A directory or file inside a place that could not be read, or a broken image; `new`: not so at the last scan."""

    path: str
    reason: str
    new: bool = True


@dataclass
class ScanResult:
    """What a scan found; all tuples are sorted by location.

    `changes` are since the last scan, with ScanOptions.changed since the last such one. `first_seen` are bootable
    images to make templates of; those too fresh wait for the next scan. `failures` are the places given that could not
    be scanned, `notes` sentences for a person. `interrupted`: a Ctrl-C ended it early; what was found is kept.
    """

    places: tuple[str, ...] = ()
    entries: dict[str, Row] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    first_seen: tuple[Image, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[KimchiError, ...] = ()
    notes: tuple[str, ...] = ()
    counters: Counters = field(default_factory=Counters)
    interrupted: bool = False

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """Every image of the places, made into records when asked for: a silent scan asks for none."""
        return tuple(to_image(self.entries[path]) for path in sorted(self.entries))


def deep_scan(
    places: Sequence[str], options: ScanOptions, index: Index, progress: Progress = SILENT, naming: str = ""
) -> ScanResult:
    """Scan the trees below `places` and put what is found into `index` in one transaction.

    `naming` differs when the rules that name images do: then known images are named anew. What is wrong with one of
    the places is in the result's `failures`, what is wrong inside them in its `problems`. Raises Locked, Failed.
    """
    result = ScanResult()
    mounts = Mounts.read()
    tops = _tops(places, options, mounts, result)
    with ExitStack() as locks:
        for top in tops:
            locks.enter_context(index.place_lock(os.fsdecode(top)))
        before = index.read()
        surveys = []
        for top in tops:
            old = before.places.get(os.fsdecode(top))
            survey = Survey(top, old, options, mounts, index, naming)
            survey.run(progress)
            surveys.append(survey)
            if survey.interrupted:
                result.interrupted = True
                break
        _commit(surveys, before, options, index, result)
    _summarise(surveys, index, result, progress)
    return result


def _tops(places: Sequence[str], options: ScanOptions, mounts: Mounts, result: ScanResult) -> list[bytes]:
    """The real paths of `places`, each once, in order; what is wrong with one goes to the result's failures."""
    tops, failures = set(), []
    for place in places:
        try:
            tops.add(_real_directory(place, options.deadline, mounts))
        except KimchiError as error:
            failures.append(error)
    result.failures = tuple(failures)
    result.places = tuple(map(os.fsdecode, sorted(tops)))
    return sorted(tops)


def _real_directory(place: str, deadline: float, mounts: Mounts) -> bytes:
    """The real path of the directory `place`. Raises NotFound, Failed, TimedOut."""
    if mounts.may_hang() and not answers(lambda: os.listdir(place), deadline):
        raise TimedOut(f"{place!r} did not answer within {deadline:g} s", "is the server that it is mounted from up?")
    try:
        real = os.path.realpath(os.fsencode(place), strict=True)
        if not os.path.isdir(real):
            raise Failed(f"{place!r} is not a directory", f"kimchictl iso probe {place}")
        os.close(os.open(real, os.O_RDONLY | os.O_DIRECTORY))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{place!r} does not exist") from error
    except (OSError, ValueError) as error:
        raise Failed(f"{place!r} cannot be read: {getattr(error, 'strerror', error)}") from error
    return real


class Survey:
    """One place looked at: `place` is what the index is to remember of it."""

    def __init__(
        self, top: bytes, old: Place | None, options: ScanOptions, mounts: Mounts, index: Index, naming: str
    ) -> None:
        self.top, self.name = top, os.fsdecode(top)
        self.old = old or Place()
        self.options, self.mounts, self.index = options, mounts, index
        self.known = self.old.entries
        self.walk = Walk(options.rules, mounts, deadline=options.deadline)
        self.place = replace(
            self.old,
            key=options.rules.key(),
            naming=naming,
            mounts=[mounts.covering(top).row(), *(mount.row() for _, mount in sorted(mounts.below(top).items()))],
            since=None if self.old.since is None else dict(self.old.since),
        )
        self.stamps: bytes | None = None
        self.interrupted = False
        self.forgetful = False  # the stamps that the index names are gone or damaged

    def run(self, progress: Progress) -> None:
        """Walk, look at what was found, and work out what the index is to remember."""
        progress.begin(f"scanning {self.name}", unit="directories")
        self.walk.progress = progress
        files = self._walk()
        trust = not self.options.full and self.place.naming == self.old.naming
        looked = Examination(
            self.known, _prober(self.walk.counters), self.walk.counters, trust, not self.options.all_files
        )
        try:
            looked.look_at(files, progress)
        except KeyboardInterrupt:
            self.interrupted = True
        self.interrupted |= self.walk.interrupted
        self._keep_unseen(looked.entries)
        self.place.entries = looked.entries
        self.place.problems = self._problems(looked.entries, looked.problems)
        self.walk.counters.images = sum(entry.row is not None for entry in looked.entries.values())
        if self.interrupted:
            self.place.stamps, self.stamps = None, None  # what was not read is not known to be unchanged
        progress.end()

    def _walk(self) -> list[bytes]:
        """The candidate files, from the directories that must be read and the memory of the others."""
        counters, trail = self.walk.counters, self.walk.trail
        known = self._remembered()
        if known is None:
            self.walk.walk(self.top)
            counters.directories = len(trail.paths)
            self._remember(encode(trail) if self.options.rules.remembers and trail.paths else None)
            return self.walk.files
        rewalk = Rewalk(self.walk, known)
        rewalk.run(self.top, self._moved_mounts())
        counters.directories = len(known) if rewalk.nothing_new else len(trail.paths)
        if rewalk.nothing_new:
            return self._known_files(None)
        self._remember(encode(trail, in_order=False) if trail.paths else None)
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

    def _problems(self, entries: dict[str, Entry], unseen: dict[bytes, str]) -> dict[str, str]:
        problems = {os.fsdecode(path): why for path, why in {**self.walk.problems, **unseen}.items()}
        return problems | {path: entry.problem for path, entry in entries.items() if entry.problem}

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
            mount, now = entry.mount or self._mount_then(path), self.mounts.covering(os.fsencode(path)).row()
            if mount != now or path.startswith(unread):
                entries[path] = mark_absent(entry, mount)

    def _mount_then(self, path: str) -> list[str]:
        """The mount that `path` lay on at the last scan."""
        over = [row for row in self.old.mounts if path.startswith(row[0].rstrip("/") + "/")]
        return max(over, key=lambda row: len(row[0]), default=self.place.mounts[0])

    @property
    def altered(self) -> bool:
        """Is there anything for the index to learn?"""
        return self.forgetful or self.place != self.old


def _prober(counters: Counters) -> Callable[[str], Image]:
    """The prober, loaded when first called: only a scan that finds something new needs the rules and what they need."""

    def probe(path: str) -> Image:
        from kimchictl.media.counted import probe_counted

        return probe_counted(path, counters)

    return probe


def _commit(
    surveys: Sequence[Survey], before: Document, options: ScanOptions, index: Index, result: ScanResult
) -> None:
    """Settle what changed and is first seen, and replace the index where it differs."""
    reported: list[tuple[str, str, Row]] = []
    first: list[Image] = []
    for survey in surveys:
        old = rows_of(survey.known)
        note_changes(survey.place, old)
        reported += since_reported(survey.place) if options.changed else compare(old, rows_of(survey.place.entries))
        if options.changed:
            survey.place.since = {}
        first += _first_seen(survey, before, options)
        result.entries.update(rows_of(survey.place.entries))
    result.changes = tuple(Change(kind, to_image(row)) for kind, path, row in _once(reported))
    result.first_seen = tuple(
        sorted({image.location: image for image in first}.values(), key=lambda image: image.location)
    )
    if any(survey.altered for survey in surveys):
        with index.session() as document:
            for survey in surveys:
                index.save_stamps(survey.name, survey.place.stamps, survey.stamps)
                document.places[survey.name] = survey.place
            for survey in surveys:
                spread(document, survey.name)
        for survey in surveys:
            index.sweep_stamps(survey.name, survey.place.stamps)


def _once(changes: Sequence[tuple[str, str, Row]]) -> list[tuple[str, str, Row]]:
    """In order of path; of places that overlap each path once."""
    by_path = {change[1]: change for change in changes}
    return [by_path[path] for path in sorted(by_path)]


def _first_seen(survey: Survey, before: Document, options: ScanOptions) -> list[Image]:
    """The images to make templates of now. What is too fresh or incomplete stays pending for the next such scan."""
    place = survey.place
    place.automatic |= options.create_templates
    if not place.automatic:
        return []
    known = {path for other in before.places.values() if other.host is None for path in other.entries}
    offered = []
    for path, entry in place.entries.items():
        pending = entry.pending or path not in known
        image = entry.image if pending and entry.row is not None else None
        waits = image is not None and _is_unfinished(image, entry)
        if options.create_templates and image is not None and not waits:
            if image.bootable and image.error is None and not is_declined(before, image):
                offered.append(image)
            pending = False
        if pending != entry.pending and entry.row is not None:
            place.entries[path] = replace(entry, pending=pending)
    return offered


def _is_unfinished(image: Image, entry: Entry) -> bool:
    """Is the image absent or incomplete, or did it change in the last minute, so that it may still be copied?"""
    return image.error in (ABSENT, INCOMPLETE) or abs(time.time() - entry.status[3] / 1e9) < FRESH_SECONDS


def _summarise(surveys: Sequence[Survey], index: Index, result: ScanResult, progress: Progress) -> None:
    """Counters, problems and notes of all the places together."""
    total, problems = result.counters, {}
    for survey in surveys:
        for name in Counters.__slots__:
            setattr(total, name, getattr(total, name) + getattr(survey.walk.counters, name))
        for path, why in survey.place.problems.items():
            problems[path] = Problem(path, why, survey.old.problems.get(path) != why)
    result.problems = tuple(problems[path] for path in sorted(problems))
    absent = sum(entry.absent for survey in surveys for entry in survey.place.entries.values())
    result.notes = (
        *index.take_notes(),
        *([f"{absent} images are absent: their file system is not mounted"] if absent else []),
    )
    progress.detail(
        f"{total.directories} directories, {total.read} of them read with {total.files} files in them; "
        f"{total.images} images, {total.opened} files opened, {total.reads} reads, {total.bytes} bytes"
    )
