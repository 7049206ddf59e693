"""What is different between two looks at a place, and what is reported of it.

The settled state of `--changed` is kept as differences: Place.since holds, for each path where something changed after
the last report, the image as it was then. A look in between adds to it and takes nothing away.
"""

import os
from collections.abc import Iterator
from typing import Literal

from kimchictl.media.scan.document import Document, Place
from kimchictl.media.scan.entries import ABSENT, Entry, Row, changed, to_values

Kind = Literal["added", "changed", "removed"]

# What a medium is. Its name is not: a new rule changes no image; nor are the caller's rights or an absent mount.
_COMPARED = (
    "size", "mtime", "volume_id", "system_id", "publisher_id", "application_id", "bootable", "boot",
)  # fmt: skip
_OF_THE_PLACE = ("source", "pool", "volume", "capacity")


def differ(one: Row, other: Row) -> bool:
    """Are these two looks at the same path different images?"""
    before, now = to_values((one, other))
    if any(before[name] != now[name] for name in _COMPARED):
        return True
    errors = {before["error"], now["error"]}
    return len(errors) > 1 and ABSENT not in errors


def rows_of(entries: dict[str, Entry]) -> dict[str, Row]:
    return {path: entry.row for path, entry in entries.items() if entry.row is not None}


def compare(old: dict[str, Row], new: dict[str, Row]) -> Iterator[tuple[Kind, str, Row]]:
    """(kind, path, row) of what is different; the row of a removed image is the old one."""
    for path, row in new.items():
        before = old.get(path)
        if before is None:
            yield "added", path, row
        elif before != row and differ(before, row):
            yield "changed", path, row
    for path, row in old.items():
        if path not in new:
            yield "removed", path, row


def since_reported(place: Place) -> Iterator[tuple[Kind, str, Row]]:
    """What changed since the last report of this place; everything is added the first time."""
    now = rows_of(place.entries)
    if place.since is None:
        yield from (("added", path, row) for path, row in now.items())
        return
    before = {path: row for path, row in place.since.items() if row is not None}
    yield from compare(before, {path: now[path] for path in place.since if path in now})


def note_changes(place: Place, old: dict[str, Row]) -> None:
    """Add to `since` what is different from `old`, the images of the place before this look."""
    if place.since is None:
        return
    for _kind, path, _row in compare(old, rows_of(place.entries)):
        place.since.setdefault(path, old.get(path))


def spread(document: Document, name: str) -> None:
    """Bring other places up to date where the scan of `name` just saw the same files changed or removed."""
    scanned = document.places[name]
    top = name.rstrip("/") + "/"
    for other in document.places.values():
        if other is scanned or other.host is not None:
            continue
        old = rows_of(other.entries)
        for path in [path for path in old if path.startswith(top)]:
            _update(other, path, scanned.entries.get(path))
        note_changes(other, old)


def _update(place: Place, path: str, seen: Entry | None) -> None:
    """One image of `place` that lies where another scan just looked; by other rules it may have looked past it."""
    mine = place.entries[path]
    if seen is not None and seen.row is not None and mine.row is not None:
        if seen.status != mine.status:
            values = to_values((mine.row,))[0]
            row = changed(seen.row, **{name: values[name] for name in _OF_THE_PLACE})
            place.entries[path] = mine._replace(row=row, status=seen.status, mount=seen.mount)
    elif not mine.absent and not os.path.lexists(path):
        del place.entries[path]
