"""How a scan is to look, and what it found."""

from functools import cached_property
from typing import NamedTuple

from kimchictl.errors import Failed, KimchiError
from kimchictl.media.records import Image
from kimchictl.media.scan.entries import Row, to_images
from kimchictl.media.scan.rules import Rules
from kimchictl.media.scan.walk import Counters
from kimchictl.query import natural


class ScanOptions(NamedTuple):
    """How to look. `full` reads every directory and opens every image, whatever is remembered.

    `changed`: report, and settle, what changed since the last time somebody asked. `create_templates`: offer images
    first seen. `deadline` (s): how long a path may take to answer for the first time; later it is three times that.
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


class Change(NamedTuple):
    """`change` is "added", "removed" or "changed"; a removed image is as it was last seen."""

    change: str
    image: Image


class Problem(NamedTuple):
    """A directory or file inside a place that could not be read, or a broken image; `new`: not so at the last scan."""

    path: str
    reason: str
    new: bool = True


class ScanResult:
    """What a scan found; all tuples are sorted by location.

    `changes` are since the last scan, with ScanOptions.changed since the last such one. `first_seen` are bootable
    images to make templates of; those too fresh wait for the next scan. `failures` are the places given that could not
    be scanned, `notes` sentences for a person. `interrupted`: a Ctrl-C ended it early; what was found is kept.
    `remembered`: the index could be written; where not, a note says why.
    """

    def __init__(self) -> None:
        self.places: tuple[str, ...] = ()
        self.entries: dict[str, Row] = {}
        self.changes: tuple[Change, ...] = ()
        self.first_seen: tuple[Image, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.failures: tuple[KimchiError, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.counters = Counters()
        self.interrupted = False
        self.remembered = True

    def forgo(self, error: Failed, options: ScanOptions) -> None:
        """Go on though the index cannot be read or written. Raises `error` where `options` need what it remembers."""
        if options.changed or options.create_templates:
            raise error
        if self.remembered:
            self.notes += (f"not remembered: {error}",)
        self.remembered = False

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """Every image of the places, made into records when asked for: a silent scan asks for none."""
        return tuple(to_images(self.rows.values()))

    @property
    def rows(self) -> dict[str, Row]:
        """The same as lines of JSON, by location."""
        return {path: self.entries[path] for path in sorted(self.entries, key=natural)}
