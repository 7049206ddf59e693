"""Records as plain data, and what `--filter`, `--sort` and `--columns` make of lists of them."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kimchictl.errors import Invalid, UsageError
from kimchictl.units import parse_size

Row = dict[str, Any]

NO_UNITS: Mapping[str, int] = {}

LONG = 200
"""Rows: a longer list of JSON has one row a line. Indenting makes writing it slow, and nobody reads it by eye."""


class Encoded:
    """Rows, in their order, whose JSON is known already: what nobody filters or sorts is printed as it is."""

    def __iter__(self) -> Iterator[Row]:
        raise NotImplementedError

    def texts(self) -> Iterator[str]:
        """The JSON of each row as it stands in a list, which has a line for each row or is indented."""
        raise NotImplementedError


_FILTER = r"(?s)([a-z_][a-z0-9_.]*)(!=|>=|<=|~|=|>|<)(.*)"
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


_SCALARS = (str, int, float, bool, type(None))


def plain(value: Any) -> Any:
    """A record (dataclass or named tuple) as a dict, other tuples as lists, all the way down; the rest as it is."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, dict):
        return {key: inner if type(inner) in _SCALARS else plain(inner) for key, inner in value.items()}
    # Asked for by name: to import dataclasses for it costs every command that prints as much as reading its arguments.
    names = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "_fields", None)
    if names:
        inner = ((name, getattr(value, name)) for name in names)
        return {name: field if type(field) in _SCALARS else plain(field) for name, field in inner}
    if isinstance(value, list | tuple):
        return [inner if type(inner) in _SCALARS else plain(inner) for inner in value]
    return value


def lookup(row: Row, key: str) -> Any:
    """The value of `key`; "a.b" looks inside an object, and inside each of a list of them. None where it is absent."""
    if "." not in key:
        return row.get(key)
    value: Any = row
    for part in key.split("."):
        if isinstance(value, list):
            value = [item[part] for item in value if isinstance(item, dict) and item.get(part) is not None]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value


def check_inside(rows: Sequence[Row], key: str) -> None:
    """Raises UsageError for an "a.b" where some row has objects under a, and none of them a b."""
    outer, _, inner = key.rpartition(".")
    values = [lookup(row, outer) for row in rows] if outer else []
    objects = [item for value in values for item in (value if isinstance(value, list) else [value])]
    known = dict.fromkeys(name for item in objects if isinstance(item, dict) for name in item)
    if known and inner not in known:
        raise UsageError(f"there is no key {key!r} here", f"the keys of {outer} are {', '.join(known)}")


def select(
    rows: Iterable[Row], filters: Sequence[str], known: Sequence[str] = (), units: Mapping[str, int] = NO_UNITS
) -> list[Row]:
    """The rows that pass all of `filters`. Raises UsageError for one that cannot be read or a key no row has.

    `units` are the bytes that a key's numbers count in, where those are not bytes.
    """
    tests = [_parse_filter(text, known, units) for text in filters]
    rows = list(rows)
    for key, _ in tests:
        check_inside(rows, key)
    return [row for row in rows if all(test(row) for _, test in tests)]


def sort_rows(rows: list[Row], key: str, known: Sequence[str] = ()) -> list[Row]:
    """`rows` by `key`, ignoring case; "-key" backwards; unknown values last."""
    name = key.removeprefix("-")
    check_key(name, known)
    check_inside(rows, name)
    present = [row for row in rows if lookup(row, name) is not None]
    absent = [row for row in rows if lookup(row, name) is None]
    return sorted(present, key=lambda row: natural(lookup(row, name)), reverse=key.startswith("-")) + absent


def check_key(name: str, known: Sequence[str]) -> None:
    """Raises UsageError, naming the keys there are, if `name` is none of them."""
    if known and name.partition(".")[0] not in known:
        raise UsageError(f"there is no key {name!r} here", "the keys are " + ", ".join(known))


_DIGITS = r"(\d+)"


def natural(value: Any) -> tuple[Any, ...]:
    """What lists are sorted by: numbers before texts, "web-2" before "web-10"."""
    if isinstance(value, bool | int | float):
        return (0, value)
    text = value if isinstance(value, str) else repr(value)
    pieces = re.split(_DIGITS, text.casefold())
    # The pieces are a tuple of their own: those of "web" are the first of those of "web2".
    return (1, tuple((0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces), text)


def _parse_filter(text: str, known: Sequence[str], units: Mapping[str, int]) -> tuple[str, Callable[[Row], bool]]:
    """The key that a filter is about, and its test of a row."""
    match = re.fullmatch(_FILTER, text)
    if match is None:
        raise UsageError(
            f"filter {text!r} is not key=value", "the forms are key=value, key!=value, key~regex and key>=value"
        )
    key, sign, wanted = match.groups()
    check_key(key, known)
    unit = units.get(key, 1)
    if sign == "~":
        try:
            pattern = re.compile(wanted)
        except re.error as error:
            raise UsageError(f"filter {text!r}: the regular expression is wrong: {error}") from None
        return key, lambda row: any(pattern.search(_text(value)) for value in _values(row, key))
    if sign in _ORDERED:
        return key, lambda row: any(_compare(value, wanted, unit, _ORDERED[sign]) for value in _values(row, key))
    return key, lambda row: (sign == "=") == any(_equal(value, wanted, unit) for value in _values(row, key))


def _values(row: Row, key: str) -> list[Any]:
    value = lookup(row, key)
    return value or [None] if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(value: Any, wanted: str, unit: int) -> bool:
    if isinstance(value, bool):
        return wanted in (("yes", "true") if value else ("no", "false"))  # as a table, and as JSON says it
    if isinstance(value, int):
        return value == _number(wanted, unit)
    return _text(value) == wanted or (value is None and wanted == "null")


def _number(text: str, unit: int) -> float | None:
    """A bare number is one of the key's own; one with a unit is a size. None for words; UsageError for 2GB."""
    try:
        return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else parse_size(text) / unit
    except Invalid as error:
        if text[:1].isdigit():
            raise UsageError(f"filter: {error}", error.hint) from None
        return None


def _compare(value: Any, wanted: str, unit: int, test: Callable[[Any, Any], bool]) -> bool:
    if value is None:
        return False
    if isinstance(value, int | float):
        number = _number(wanted, unit)
        if number is None:
            raise UsageError(f"filter: {wanted!r} is not a number, and {value} is", "write it like 20, 512M or 1.5GiB")
        return test(value, number)
    return test(natural(str(value)), natural(wanted))
