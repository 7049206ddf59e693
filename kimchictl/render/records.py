"""Records on stdout: a table, wide, JSON, csv, or names. JSON is the contract; tables are for people."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kimchictl.options import Options
from kimchictl.query import LONG, NO_UNITS, Encoded, Row, check_inside, check_key, lookup, plain, select, sort_rows
from kimchictl.render.terminal import colour_is_forced, console, is_terminal, say, visible, write_out
from kimchictl.units import format_size

_EDGES = 2
_BETWEEN, _NARROWEST = 2, 4  # characters: between two columns, and of a column that is cut
# On a terminal too narrow, sentences go on in the next line, and of a path it is the end that tells files apart.
_SENTENCES = frozenset({"message", "fix", "locations"})
_PATHS = frozenset({"location", "path"})
_SIZES = frozenset({"size", "capacity", "allocation", "physical", "available", "memory", "max_memory", "freeable"})


class View(NamedTuple):
    """How records of one kind are shown. `name` is the key that names one, `keys` all that a list can show.

    `columns` are a table's, `wide` those that `-o wide` adds, `sort` the order of a list (None: as it comes).
    `formats` maps a key to value -> text where the usual reading (sizes in bytes, yes and no, lists) does not fit;
    `units` a key to the bytes that its numbers count in, where those are not bytes. `ready`: the records are plain
    dicts already. `first` is the command that makes the first one, for a person who sees that there is none.
    `keyed`: the list is one object's parts, and in JSON that object, each part under its name.
    """

    columns: tuple[str, ...]
    keys: tuple[str, ...]
    name: str = "name"
    wide: tuple[str, ...] = ()
    sort: str | None = "name"
    formats: Any = None
    units: Mapping[str, int] | None = None
    ready: bool = False
    first: str | None = None
    keyed: bool = False

    def text(self, key: str, value: Any) -> str:
        """`value` of `key` as a table shows it, not yet escaped."""
        if self.formats and key in self.formats:
            return str(self.formats[key](value))
        if value.__class__ is str and value:  # most of what there is
            return value
        if value is None or value == [] or value == "":
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int) and key in _SIZES:
            return format_size(value)
        if isinstance(value, list):
            return ", ".join(self.text(key, item) for item in value)
        if isinstance(value, dict):
            return " ".join(f"{name}={self.text(name, item)}" for name, item in value.items() if item is not None)
        return str(value)


def emit_list(records: Iterable[Any], view: View, form: str, options: Options) -> None:
    """Print records as the format and the options say; JSON is an array, however many there are."""
    if isinstance(records, Encoded) and form == "json" and not (options.filters or options.columns or options.sort):
        _write_encoded(records)
        return
    rows = list(records) if view.ready else [plain(record) for record in records]
    rows = select(rows, options.filters, view.keys, view.units or NO_UNITS)
    order = options.sort or view.sort
    if order:
        rows = sort_rows(rows, order, view.keys)
    columns = _columns(view, form, options)
    for key in options.columns:
        check_inside(rows, key)
    if form == "json":
        shown = [{key: lookup(row, key) for key in columns} for row in rows] if options.columns else rows
        write_json(_by_name(rows, shown, view.name) if view.keyed else shown)
    elif form == "name":
        write_out("".join(_bare(str(lookup(row, view.name))) + "\n" for row in rows))
    elif form == "csv":
        _write_csv(rows, columns)
    else:
        cells = [[visible(view.text(key, lookup(row, key))) for key in columns] for row in rows]
        _write_table([key.replace("_", " ").upper() for key in columns], cells, rows, columns, options)
        if not rows and view.first and is_terminal(sys.stdout) and not (options.filters or options.quiet):
            say(f"none yet: {view.first}")


def _by_name(rows: Iterable[Row], shown: Iterable[Row], name: str) -> Row:
    parts = zip(rows, shown, strict=True)
    return {row[name]: {key: value for key, value in part.items() if key != name} for row, part in parts}


def check_selection(view: View, options: Options) -> None:
    """Raises UsageError for filters, columns or an order that `view` does not know: before work that changes things."""
    select((), options.filters, view.keys)
    for key in (*options.columns, (options.sort or "").removeprefix("-")):
        if key:
            check_key(key, view.keys)


def emit(record: Any, view: View, form: str, options: Options) -> None:
    """Print one object: JSON, a csv row, its name, or one line a key."""
    row = plain(record)
    if form == "json":
        write_json({key: lookup(row, key) for key in options.columns} if options.columns else row)
    elif form == "name":
        write_out(_bare(str(lookup(row, view.name))) + "\n")
    elif form == "csv":
        _write_csv([row], options.columns or tuple(row))
    else:
        write_out("".join(_lines(view, row, options.columns or tuple(row))))


def write_json(value: Any) -> None:
    """`value` as JSON on stdout; what is not Unicode (bytes of a file name) as \\udcXX escapes."""
    dump = _dump_lines if isinstance(value, list) and len(value) > LONG else _dump
    text = dump(value, False)
    write_out((text if _can_be_written(text) else dump(value, True)) + "\n")


def _write_encoded(records: Encoded) -> None:
    text = ",\n".join(records.texts())
    if _can_be_written(text):
        write_out(f"[\n{text}\n]\n" if text else "[]\n")
    else:
        write_json(list(records))


def _can_be_written(text: str) -> bool:
    """Whether `text` arrives as UTF-8, as JSON has to be (RFC 8259, 8.1): no half of a character, no other encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return encoding.lower() in ("utf-8", "utf8") or text.isascii()


def _dump(value: Any, ascii_only: bool) -> str:
    import json

    return json.dumps(value, indent=2, ensure_ascii=ascii_only)


def _dump_lines(values: list[Any], ascii_only: bool) -> str:
    import json

    return "[\n" + ",\n".join(json.dumps(value, ensure_ascii=ascii_only) for value in values) + "\n]"


def _columns(view: View, form: str, options: Options) -> tuple[str, ...]:
    for key in options.columns:
        check_key(key, view.keys)
    if options.columns:
        return tuple(options.columns)
    if form == "csv":
        return view.keys
    return view.columns + view.wide if form == "wide" else view.columns


def _lines(view: View, row: Row, keys: Sequence[str]) -> Iterator[str]:
    width = max((len(key) for key in keys), default=0)
    for key in keys:
        value = lookup(row, key)
        several = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for number, item in enumerate(several):
            label = key.replace("_", " ") if number == 0 else ""
            yield f"{label:<{width}}  {visible(view.text(key, item))}\n"


def _write_csv(rows: list[Row], columns: Sequence[str]) -> None:
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(lookup(row, key)) for key in columns])
    write_out(file.getvalue())


def _csv_cell(value: Any) -> str:
    """One cell: no value is empty, lists are joined, and nothing that a spreadsheet would run as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        import json

        flat = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return visible(" ".join(value) if flat else json.dumps(value, ensure_ascii=False))
    text = visible(str(value))
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@") else text


def _write_table(
    titles: list[str], cells: list[list[str]], rows: list[Row], keys: Sequence[str], options: Options
) -> None:
    if is_terminal(sys.stdout):
        _write_rich_table(titles, cells, rows, keys, options)
        return
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    right = [_is_number(rows, key) for key in keys]
    form = "  ".join(f"{{:{'>' if r else '<'}{width}}}" for width, r in zip(widths, right, strict=True))
    title, *lines = (form.format(*line).rstrip() + "\n" for line in (titles, *cells))
    if colour_is_forced(options.color):
        title = f"\x1b[1m{title[:-1]}\x1b[0m\n"
    write_out("".join((title, *lines)))


def _write_rich_table(
    titles: list[str], cells: list[list[str]], rows: list[Row], keys: Sequence[str], options: Options
) -> None:
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    screen = console(sys.stdout, options.color)
    # rich up to version 13 counts the padding at the edges, which it leaves out, and else cuts columns itself.
    room = screen.width - _BETWEEN * (len(titles) - 1) - _EDGES
    widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
    if sum(widths) > room:  # titles of several words get a line a word before anything is cut
        titles = [title.replace(" ", "\n") for title in titles]
        words = [max(title.split("\n"), key=len) for title in titles]
        filled = [max(map(cell_len, column), default=0) for column in zip(*cells, strict=True)] or [0] * len(words)
        widths = fitted([max(cell_len(word), cell) for word, cell in zip(words, filled, strict=True)], room, filled)
    for title, key, width in zip(titles, keys, widths, strict=True):
        table.add_column(
            Text(title),
            width=width,
            justify="right" if _is_number(rows, key) else "left",
            overflow="fold" if key in _SENTENCES else "ellipsis",
            no_wrap=key not in _SENTENCES,
        )
    for line in cells:
        fitting = zip(keys, line, widths, strict=True)
        table.add_row(*(Text(end_of(cell, width) if key in _PATHS else cell) for key, cell, width in fitting))
    screen.print(table)


def fitted(widths: list[int], room: int, filled: Sequence[int] = ()) -> list[int]:
    """`widths` of columns cut down to `room` together: the widest first, none to nothing as rich would do it.

    Of two as wide the one that loses nothing but of its title, where its cells take only what `filled` says.
    """
    widths = list(widths)
    while sum(widths) > room and max(widths) > _NARROWEST:
        spare = [width > least for width, least in zip(widths, filled or widths, strict=True)]
        widest = max(range(len(widths)), key=lambda column: (widths[column], spare[column]))
        widths[widest] -= 1
    return widths


def end_of(text: str, width: int) -> str:
    """The end of a path that is wider than `width`, behind an ellipsis."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    text = text[-width:]  # a character may be two cells wide, seldom none
    while cell_len(text) >= width:
        text = text[1:]
    return f"…{text}"


def _is_number(rows: list[Row], key: str) -> bool:
    found = False
    for row in rows:
        value = lookup(row, key)
        if isinstance(value, str):
            return False
        found = found or (isinstance(value, int | float) and not isinstance(value, bool))
    return found


def _bare(text: str) -> str:
    return visible(text) if is_terminal(sys.stdout) else text
