"""The file of the scan index: every place and its images. Made to be listed fast, believed only whole.

    kimchictl-images 2 CRC32     in hexadecimal digits, of all that follows
    {...}                        a line of JSON: the places, their entries without the images; what was declined
    {...}                        a line an image, as `iso list -o json` has it: in the order of the entries, and after
                                 those of each place the images in its `since`

What prints images joins lines; what scans reads the second line and decodes the image of hardly any entry.
"""

import contextlib
import gc
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from types import NoneType
from typing import Any

from kimchictl import files
from kimchictl.errors import Damaged, Failed
from kimchictl.media.scan.entries import FIELDS, Entry, Row, rearranged
from kimchictl.query import natural

GROUP = "libvirt"  # whose members may read root's index
LIMIT = 1 << 30  # bytes: a document of a million images is smaller
_MAGIC = "kimchictl-images 2"


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
            return _parse(content)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, StopIteration) as error:
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
    lines: list[Row] = []
    head = {
        "fields": FIELDS,
        "declined": sorted(document.declined, key=repr),
        "places": {name: _dump_place(place, lines) for name, place in sorted(document.places.items())},
    }
    content = "\n".join((json.dumps(head, separators=(",", ":")), *lines)).encode()
    return f"{_MAGIC} {zlib.crc32(content):08x}\n".encode() + content


def _dump_place(place: Place, lines: list[Row]) -> dict[str, Any]:
    """The place as JSON has it; its images are added to `lines`."""
    entries = [place.entries[path] for path in sorted(place.entries, key=natural)]
    since = place.since
    lines += [entry.row for entry in entries if entry.row is not None]
    lines += [row for row in (since or {}).values() if row is not None]
    return {
        "host": place.host,
        "key": place.key,
        "naming": place.naming,
        "mounts": place.mounts,
        "stamps": place.stamps,
        "automatic": place.automatic,
        "since": None if since is None else {path: row is not None for path, row in since.items()},
        "problems": place.problems,
        "entries": [
            [entry.path, entry.status, entry.row is not None, entry.problem, entry.also, entry.mount, entry.pending]
            for entry in entries
        ],
    }


def _parse(content: bytes) -> Document:
    """The document that these bytes are. Whatever else they are: raises ValueError or TypeError."""
    first, _, rest = content.partition(b"\n")
    if first != f"{_MAGIC} {zlib.crc32(rest):08x}".encode():
        raise ValueError("damaged, or written by another version")
    head, *lines = rest.decode().split("\n")
    value, rows = json.loads(head), iter(lines)
    if tuple(value["fields"]) != FIELDS:
        rows = map(rearranged, rows)
    document = Document({name: _parse_place(place, rows) for name, place in value["places"].items()})
    for location, size, volume_id in value["declined"]:
        known = (_require(location, str), _require(size, int, None), _require(volume_id, str, None))
        document.declined.add(known)
    return document


def _parse_place(value: dict[str, Any], rows: Iterator[Row]) -> Place:
    entries, since = _parse_entries(value["entries"], rows), value["since"]
    return Place(
        host=_require(value["host"], str, None),
        key=_require(value["key"], str),
        naming=_require(value["naming"], str),
        mounts=[_mount(row) for row in value["mounts"]],
        stamps=_require(value["stamps"], str, None),
        automatic=_require(value["automatic"], bool),
        since=None if since is None else {path: next(rows) if then else None for path, then in since.items()},
        problems={path: _require(why, str) for path, why in value["problems"].items()},
        entries=entries,
    )


def _mount(value: list[str]) -> list[str]:
    """A mount as Mount.row gives it."""
    if type(value) is not list or len(value) != 5:
        raise ValueError("a damaged mount")
    _all(value, str)
    return value


def _parse_entries(values: list[Any], rows: Iterator[Row]) -> dict[str, Entry]:
    """Checked column by column: there may be ten thousand entries, and a listing waits for them."""
    _all(values, list)
    if not values:
        return {}
    paths, statuses, images, problems, also, mounts, pending = zip(*values, strict=True)
    for column, kinds in (
        (paths, (str,)),
        (statuses, (list,)),
        (chain.from_iterable(statuses), (int,)),
        (images, (bool,)),
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
    found = [next(rows) if image else None for image in images]
    columns = zip(paths, map(tuple, statuses), found, problems, map(tuple, also), mounts, pending, strict=True)
    return dict(zip(paths, map(Entry._make, columns), strict=True))


def _all(column: Iterable[Any], *kinds: type) -> None:
    """Raises ValueError if one of `column` is of none of the `kinds`."""
    if not set(map(type, column)) <= set(kinds):
        raise ValueError(f"something is neither of {kinds}")


def _require(value: Any, kind: type, other: type | None = type) -> Any:
    """`value`, if it is of `kind`; with None as third argument None will do, too."""
    if type(value) is kind or (other is None and value is None):
        return value
    raise ValueError(f"{value!r} is no {kind.__name__}")
