"""`template list`: the rows of all templates, worked out only where that was not done before.

What names images, defaults and records is imported only when a row is to be worked out: where all are remembered, a
listing costs what reading the files does.
"""

import marshal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kimchictl import __version__
from kimchictl.actions.documents.marks import Files, look_at, problems_of
from kimchictl.actions.documents.row_memory import Entry, RowMemory
from kimchictl.catalog.keys import TEMPLATE_KEYS
from kimchictl.config import Config
from kimchictl.query import LONG, Encoded, Row, natural
from kimchictl.store import Document, FileStore, Listing

_MARKS = ("origin", "problems")


class Rows(Encoded):
    """The rows of a listing in the natural order of their names; `lines`: the JSON of each is one line."""

    def __init__(self, entries: Sequence[Entry], origins: Sequence[str], local: bool, lines: bool) -> None:
        self._entries, self._origins, self._lines = entries, origins, lines
        self._problems = _problems(entries) if local else [[] for _ in entries]

    def __iter__(self) -> Iterator[Row]:
        for (_name, _text, packed, _files), *marks in self._marked():
            row: Row = marshal.loads(packed)  # noqa: S302 - of one's own file
            row.update(zip(_MARKS, marks, strict=True))
            yield row

    def texts(self) -> Iterator[str]:
        before, between, after = (", ", ", ", "}") if self._lines else (",\n    ", ",\n    ", "\n  }")
        for (_name, text, _packed, _files), origin, problems in self._marked():
            told = _json(problems, self._lines).replace("\n", "\n    ") if problems else "[]"
            yield f'{text}{before}"origin": "{origin}"{between}"problems": {told}{after}'

    def _marked(self) -> Iterator[tuple[Entry, str, list[str]]]:
        return zip(self._entries, self._origins, self._problems, strict=True)


def list_templates(store: FileStore, config: Config, local: bool, cache: str, note: Callable[[str], None]) -> Rows:
    """The templates that are right; `note` is told of the others. Files are looked at where the paths are `local`.

    `cache` is the file that remembers. Raises Locked, and Invalid for a wrong configuration.
    """
    salt = {key: value for key, value in config.values.items() if key.startswith(("template.", "vm."))}
    memory = RowMemory(cache, repr((__version__, TEMPLATE_KEYS, salt)))
    listing = store.read({content: entry[0] for content, entry in memory.known.items()})
    for file in listing.damaged:
        note(str(file))
    lines = len(listing.documents) > LONG
    found = _entries(listing, memory.known if lines == memory.lines else {}, config, lines, note)
    memory.keep(lines, found)
    origins = {document.stamp: document.origin for document in listing.documents.values()}
    return Rows(list(found.values()), [origins[content] for content in found], local, lines)


def _entries(
    listing: Listing, known: dict[bytes, Entry], config: Config, lines: bool, note: Callable[[str], None]
) -> dict[bytes, Entry]:
    """The entries by content in the order of the listing: the order that is remembered, unless one is new."""
    documents = {document.stamp: document for document in listing.documents.values()}
    found = {content: entry for content, entry in known.items() if content in documents}
    new = [document for content, document in documents.items() if content not in found]
    if not new:
        return found
    found.update(_worked_out(new, config, lines, note))
    return dict(sorted(found.items(), key=lambda item: natural(item[1][0])))


def _worked_out(
    documents: Sequence[Document], config: Config, lines: bool, note: Callable[[str], None]
) -> Iterator[tuple[bytes, Entry]]:
    from kimchictl.actions.documents.marks import files_of
    from kimchictl.actions.documents.show_templates import whole_row
    from kimchictl.catalog.nouns import TEMPLATES
    from kimchictl.catalog.resolve import defaults_of
    from kimchictl.errors import Damaged

    defaults = defaults_of(config)
    for document in documents:
        try:
            template = TEMPLATES.read(document)
        except Damaged as error:
            note(str(error))
            continue
        row = whole_row(template, defaults)
        for mark in _MARKS:
            del row[mark]
        yield document.stamp, (document.name, _text(row, lines), marshal.dumps(row), tuple(files_of(template)))


def _text(row: Row, lines: bool) -> str:
    """The JSON of `row` in a list, without what closes it."""
    return _json(row, True)[:-1] if lines else _json([row], False).removeprefix("[\n").removesuffix("\n  }\n]")


def _json(value: Any, lines: bool) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=None if lines else 2)


def _problems(entries: Sequence[Entry]) -> list[list[str]]:
    """What the file system tells of the files of each."""
    files = [Files(*entry[3]) for entry in entries]
    statuses = look_at(path for one in files for path in one.paths)
    return [problems_of(one, statuses) for one in files]
