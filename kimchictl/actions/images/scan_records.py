"""How a scan is to look, and what it found."""

from dataclasses import dataclass, field
from functools import cached_property

from kimchictl.errors import Failed, KimchiError
from kimchictl.media.records import Image
from kimchictl.media.scan.entries import Row, to_image
from kimchictl.media.scan.walk import Counters, Rules


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
    `remembered`: the index could be written; where not, a note says why.
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
    remembered: bool = True

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
        return tuple(to_image(self.entries[path]) for path in sorted(self.entries))
