"""The document of the scan index: every place and its images, as JSON, read from a file that may be damaged or hostile.

An image is a row whose columns are named once, in `fields`. What is read back is checked column by column before any of
it counts.
"""

import contextlib
import gc
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from types import NoneType, UnionType
from typing import Any

from kimchictl import files
from kimchictl.errors import Damaged, Failed
from kimchictl.media.records import Image
from kimchictl.media.scan.entries import AS_LISTS, FIELDS, LISTS, Entry, Row

FORMAT = 1
GROUP = "libvirt"  # whose members may read root's index
LIMIT = 1 << 30  # bytes: a document of a million images is smaller


@dataclass(slots=True)
class Place:
    """One scanned tree (its real path) or storage pool ("pool:NAME"), of `host` (None: this machine).

    `key` tells the rules it was scanned by, `naming` those that named its images, `mounts` the file systems below it.
    `stamps` names the file of its directories' stamps. `since` is what `--changed` compares with: path -> the image
    as it was then, None if it was not there; None as a whole when nobody asked yet. `automatic`: templates are made
    of new images.
    """

    host: str | None = None
    key: str = ""
    naming: str = ""
    mounts: list[list[str]] = field(default_factory=list)
    stamps: str | None = None
    automatic: bool = False
    since: dict[str, Row | None] | None = None
    problems: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(slots=True)
class Document:
    """Everything: the places by name, and the images whose templates an admin deleted: (location, size, volume id)."""

    places: dict[str, Place] = field(default_factory=dict)
    declined: set[tuple[str, int | None, str | None]] = field(default_factory=set)


def read_document(path: str) -> Document:
    """The document in `path`, empty if there is none. Raises Damaged, Failed."""
    try:
        with open(path, "rb") as file:
            content = file.read(LIMIT)
    except FileNotFoundError:
        return Document()
    except PermissionError as error:
        hint = f"members of the group {GROUP} may"
        raise Failed(f"the scan index {path} may not be read by this user", hint) from error
    except OSError as error:
        raise files.failed("read the scan index", path, error) from error
    try:
        with _uncollected():
            return _parse(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"the scan index {path} is damaged") from error


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection: over a hundred thousand new lists, none of them garbage, it takes as long as all else."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def to_bytes(document: Document) -> bytes:
    value = {
        "format": FORMAT,
        "fields": FIELDS,
        "declined": sorted(document.declined, key=repr),
        "places": {name: _dump_place(place) for name, place in sorted(document.places.items())},
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _dump_place(place: Place) -> dict[str, Any]:
    return {
        "host": place.host,
        "key": place.key,
        "naming": place.naming,
        "mounts": place.mounts,
        "stamps": place.stamps,
        "automatic": place.automatic,
        "since": place.since,
        "problems": place.problems,
        "entries": [
            [entry.path, entry.status, entry.row, entry.problem, entry.also, entry.mount, entry.pending]
            for entry in place.entries.values()
        ],
    }


def _parse(value: Any) -> Document:
    """The document that a JSON value is. Whoever wrote it: anything of another shape raises ValueError or TypeError."""
    if value["format"] != FORMAT:
        raise ValueError("written by another version")
    rows = _Rows(value["fields"])
    document = Document()
    for name, place in value["places"].items():
        document.places[name] = _parse_place(place, rows)
    for location, size, volume_id in value["declined"]:
        known = (_require(location, str), _require(size, int, None), _require(volume_id, str, None))
        document.declined.add(known)
    return document


def _parse_place(value: dict[str, Any], rows: "_Rows") -> Place:
    since = value["since"]
    if since is not None:
        changed = [row for row in since.values() if row is not None]
        now = iter(rows.checked(changed))
        since = {path: None if row is None else next(now) for path, row in since.items()}
    return Place(
        host=_require(value["host"], str, None),
        key=_require(value["key"], str),
        naming=_require(value["naming"], str),
        mounts=[_mount(row) for row in value["mounts"]],
        stamps=_require(value["stamps"], str, None),
        automatic=_require(value["automatic"], bool),
        since=since,
        problems={path: _require(why, str) for path, why in value["problems"].items()},
        entries=_parse_entries(value["entries"], rows),
    )


def _mount(value: list[str]) -> list[str]:
    """A mount as Mount.row gives it."""
    if len(_texts(value)) != 5:
        raise ValueError("a damaged mount")
    return value


def _parse_entries(values: list[Any], rows: "_Rows") -> dict[str, Entry]:
    """Checked column by column: there may be ten thousand entries, and a listing waits for them."""
    _all(values, list)
    if not values:
        return {}
    paths, statuses, images, problems, also, mounts, pending = zip(*values, strict=True)
    for column, kinds in (
        (paths, (str,)),
        (statuses, (list,)),
        (chain.from_iterable(statuses), (int,)),
        (problems, (str, NoneType)),
        (also, (list,)),
        (chain.from_iterable(also), (str,)),
        (pending, (bool,)),
    ):
        _all(column, *kinds)
    if set(map(len, statuses)) != {5}:
        raise ValueError("a damaged status")
    for mount in mounts:
        if mount is not None:
            _mount(mount)
    now = iter(rows.checked([row for row in images if row is not None]))
    found = [None if row is None else next(now) for row in images]
    columns = zip(paths, map(tuple, statuses), found, problems, map(tuple, also), mounts, pending, strict=True)
    return {entry[0]: Entry(*entry) for entry in columns}


def _all(column: Iterable[Any], *kinds: type) -> None:
    """Raises ValueError if one of `column` is of none of the `kinds`."""
    if not set(map(type, column)) <= set(kinds):
        raise ValueError(f"something is neither of {kinds}")


def _require(value: Any, kind: type, other: type | None = type) -> Any:
    """`value`, if it is of `kind`; with None as third argument None will do, too."""
    if type(value) is kind or (other is None and value is None):
        return value
    raise ValueError(f"{value!r} is no {kind.__name__}")


def _texts(value: Any) -> list[str]:
    if type(value) is not list:
        raise ValueError("a list of texts is something else")
    _all(value, str)
    return value


class _Rows:
    """Checks rows and puts their values in the order of FIELDS, whatever fields the writer had."""

    def __init__(self, names: list[str]) -> None:
        self._same = tuple(_texts(names)) == FIELDS
        self._names = names

    def checked(self, rows: list[Row]) -> list[Row]:
        """`rows`, each value of a type that its field may have. Raises ValueError."""
        _all(rows, list)
        if not self._same:
            rows = [self._arranged(row) for row in rows]
        if not rows:
            return rows
        columns = list(zip(*rows, strict=True))
        for column, kinds in zip(columns, _KINDS, strict=True):
            _all(column, *kinds)
        for place in AS_LISTS:
            _all(chain.from_iterable(columns[place]), str)
        return rows

    def _arranged(self, row: Row) -> Row:
        values = dict(zip(self._names, row, strict=True))
        return [values.get(name, default) for name, default in _DEFAULTS.items()]


def _kinds(annotation: Any) -> frozenset[type]:
    """The types that JSON has for a field of Image: a tuple is a list."""
    parts = getattr(annotation, "__args__", ()) if isinstance(annotation, UnionType) else (annotation,)
    return frozenset(list if getattr(part, "__origin__", None) is tuple else part for part in parts)


_KINDS = tuple(map(_kinds, Image.__annotations__.values()))
_DEFAULTS: dict[str, Any] = {name: [] if name in LISTS else Image._field_defaults.get(name) for name in FIELDS}
