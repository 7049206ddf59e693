"""Templates and distros as `list` and `show` print them: every default filled in, origin and problems marked."""

from collections.abc import Callable, Sequence
from typing import Any

from kimchictl.actions.documents.marks import files_in, look_at, problems_of
from kimchictl.catalog.keys import TEMPLATE_KEYS
from kimchictl.catalog.nouns import Noun
from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import Defaults, resolve
from kimchictl.errors import Damaged
from kimchictl.store import Document, Listing

Row = dict[str, Any]


def whole_row(template: Template, defaults: Defaults, origin: str | None = None) -> Row:
    """The form with every default filled in: all keys, None for what cannot be known without a host."""
    whole = resolve(template, defaults).template
    row = {key: getattr(whole, key) for key in TEMPLATE_KEYS}
    row["mirrors"] = list(whole.mirrors)
    topology, graphics = whole.topology, whole.graphics
    row["topology"] = topology and {"sockets": topology.sockets, "cores": topology.cores, "threads": topology.threads}
    row["graphics"] = graphics and {"type": graphics.type, "listen": graphics.listen}
    row["disks"] = [
        {
            "index": index,
            "size": disk.size,
            "format": disk.format,
            "pool": disk.pool,
            "bus": disk.bus,
            "base": disk.base,
        }
        for index, disk in enumerate(whole.disks or ())
    ]
    row["networks"] = [{"type": one.type, "name": one.name, "model": one.model} for one in whole.networks or ()]
    return {**row, **template.extra, "origin": origin, "problems": []}


def resolved_rows(template: Template, defaults: Defaults) -> dict[str, Row]:
    """For every value, what it is and where it comes from: {"memory": {"value": 2048, "origin": "os"}, ...}."""
    resolved = resolve(template, defaults)
    values = whole_row(resolved.template, defaults)
    rows: dict[str, Row] = {}
    for key, origin in resolved.origins.items():
        value = _at(values, key)
        if not (
            isinstance(value, list) and value and isinstance(value[0], dict) and f"{key}[0].size" in resolved.origins
        ):
            rows[key] = {"value": value, "origin": origin}
    return {key: rows[key] for key in sorted(rows, key=lambda key: _position(key))}


def _at(values: Row, key: str) -> Any:
    """The value of "disks[0].size" or "graphics.type"."""
    value: Any = values
    for part in key.replace("[", ".").replace("]", "").split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _position(key: str) -> tuple[int, str]:
    return TEMPLATE_KEYS.index(key.partition("[")[0].partition(".")[0]), key


def readable(listing: Listing, noun: Noun, note: Callable[[str], None]) -> list[tuple[Document, Template]]:
    """The documents that are right, in the order of their names; `note` is told of each file that is not."""
    for file in listing.damaged:
        note(str(file))
    found = []
    for document in listing.documents.values():
        try:
            found.append((document, noun.read(document)))
        except Damaged as error:
            note(str(error))
    return found


def rows_of(found: Sequence[tuple[Document, Template]], defaults: Defaults, local: bool) -> list[Row]:
    """A row for each; files are looked at only where the paths are this machine's (`local`)."""
    rows = [whole_row(template, defaults, document.origin) for document, template in found]
    return mark(rows, local)


def mark(rows: list[Row], local: bool) -> list[Row]:
    """Fill in the `problems` that the file system tells of; nobody is asked where the files are elsewhere."""
    if local:
        files = [files_in(row) for row in rows]
        statuses = look_at(path for one in files for path in one.paths)
        for row, one in zip(rows, files, strict=True):
            row["problems"] = problems_of(one, statuses)
    return rows
