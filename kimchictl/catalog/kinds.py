"""The kinds of value a document can hold: each checks a decoded JSON value, and describes itself as JSON Schema.

    Integer  Text  Flag  Choice  Address   one value
    Listing                                many of one kind
    Record                                 named keys -> a frozen record; keys it does not know end up in its `extra`
    Free                                   any JSON, bounded

`check` returns the value, converted to its record where it has one, or raises `Wrong`, which collects the path to the
value on its way up. Nothing is coerced: 2048 is a number and "2048" a text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kimchictl.errors import without_password

COMPUTED = frozenset({"problems", "origin", "index"})
"""Marks that `list` and `show` print and that no file keeps: they are dropped wherever they come in."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Wrong(Exception):
    """A value breaks a rule: `text` continues the sentence that starts with the key and the value."""

    def __init__(self, value: object, text: str) -> None:
        super().__init__(text)
        self.value, self.text, self.path = value, text, ""

    def inside(self, step: str | int) -> "Wrong":
        """The same, seen from the record or list that holds the value."""
        head = f"[{step}]" if isinstance(step, int) else step
        self.path = head + ("." if self.path and self.path[0] != "[" else "") + self.path
        return self

    def __str__(self) -> str:
        return f"{self.path} {excerpt(self.value)} {self.text}".strip()


def excerpt(value: object, limit: int = 60) -> str:
    """`value` for a message: as JSON would name it, cut short, control characters escaped."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 64:
        return f"(a number of {value.bit_length()} bits)"
    if isinstance(value, dict):
        return "(an object)"
    if isinstance(value, list):
        return "(a list)"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    text = without_password(text)
    return text if len(text) <= limit else f"{text[:limit]}..."


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in `unit`, `minimum` to `maximum`."""

    minimum: int
    maximum: int
    unit: str = ""

    def check(self, value: Any) -> int:
        if type(value) is not int:
            raise Wrong(value, "must be a whole number" + (f" of {self.unit}" if self.unit else ""))
        if value < self.minimum:
            raise Wrong(value, f"{self.unit} is below the minimum of {self.minimum} {self.unit}".strip())
        if value > self.maximum:
            raise Wrong(value, f"{self.unit} is above the maximum of {self.maximum} {self.unit}".strip())
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Text:
    """At most `limit` bytes of UTF-8, never blank; `pattern` must match all of it and `like` says what that is."""

    limit: int = 255
    pattern: str = ""
    like: str = ""
    lines: bool = False
    _match: Callable[[str], object] | None = field(init=False, default=None, compare=False)

    def __post_init__(self) -> None:
        if self.pattern:
            object.__setattr__(self, "_match", re.compile(self.pattern).fullmatch)

    def check(self, value: Any) -> str:
        if type(value) is not str:
            raise Wrong(value, "must be a text")
        if not (value.isascii() and value.isprintable()) or len(value) > self.limit:
            self._check_unusual(value)
        if not value or value.isspace():
            raise Wrong(value, "is blank")
        if self._match is not None and self._match(value) is None:
            raise Wrong(value, f"must be {self.like}")
        return value

    def _check_unusual(self, value: str) -> None:
        if not value.strip():
            raise Wrong(value, "is blank")
        if (_CONTROL_BUT_LINES if self.lines else _CONTROL).search(value):
            raise Wrong(value, "holds control characters or is not UTF-8")
        if len(value.encode()) > self.limit:
            raise Wrong(value, f"is longer than {self.limit} bytes")

    def schema(self) -> dict[str, Any]:
        rule: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.limit}
        return {**rule, "pattern": f"^(?:{self.pattern})$"} if self.pattern else rule


@dataclass(frozen=True, slots=True)
class Address:
    """A literal IPv4 or IPv6 address: a name would be looked up anew at each start, by somebody else."""

    def check(self, value: Any) -> str:
        import ipaddress  # needed for nothing else

        try:
            if type(value) is str and value.isascii() and "%" not in value:
                return str(ipaddress.ip_address(value))
        except ValueError:
            pass
        raise Wrong(value, "must be a literal IPv4 or IPv6 address")

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def check(self, value: Any) -> bool:
        if value is True or value is False:
            return bool(value)
        raise Wrong(value, "must be true or false")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def check(self, value: Any) -> str:
        if type(value) is str and value in self.words:
            return value
        raise Wrong(value, f"must be one of {', '.join(self.words)}")

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Free:
    """Any JSON object; how deep and how large it can be is the limit of a whole file."""

    def check(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Wrong(value, "must be an object")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of one kind."""

    item: "Kind"
    limit: int

    def check(self, value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise Wrong(value, "must be a list")
        if len(value) > self.limit:
            raise Wrong(value, f"holds {len(value)} entries, more than {self.limit}")
        check, found = self.item.check, []
        for entry in value:
            try:
                found.append(check(entry))
            except Wrong as wrong:
                raise wrong.inside(len(found)) from None
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "maxItems": self.limit, "items": self.item.schema()}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record: its kind and what it means. `nullable`: null is a value of its own, else it is refused."""

    name: str
    kind: "Kind"
    meaning: str
    nullable: bool = False
    required: bool = False

    def schema(self) -> dict[str, Any]:
        rule = self.kind.schema()
        if self.nullable:
            rule = {"anyOf": [rule, {"type": "null"}]}
        return {"description": self.meaning, **rule}


@dataclass(frozen=True, slots=True)
class Record:
    """Named keys -> `build(**values)`.

    `short` makes the object that a bare text stands for; `agree` checks keys against each other.
    """

    keys: tuple[Key, ...]
    build: Callable[..., Any]
    short: Callable[[str], dict[str, Any]] | None = None
    agree: Callable[[Any], None] | None = None
    _checks: dict[str, tuple[Callable[[Any], Any], bool]] = field(init=False, default_factory=dict, compare=False)
    _required: tuple[str, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        self._checks.update((key.name, (key.kind.check, key.nullable)) for key in self.keys)
        object.__setattr__(self, "_required", tuple(key.name for key in self.keys if key.required))

    def check(self, value: Any) -> Any:
        if self.short is not None and type(value) is str:
            value = self.short(value)
        if type(value) is not dict:
            raise Wrong(value, "must be an object")
        values, extra, checks = {}, {}, self._checks
        for name, given in value.items():
            if name in checks:
                check, nullable = checks[name]
                try:
                    values[name] = None if given is None and nullable else check(given)
                except Wrong as wrong:
                    raise wrong.inside(name) from None
            elif name not in COMPUTED:
                extra[name] = given
        for name in self._required:
            if name not in values:
                raise Wrong(name, "is missing")
        record = self.build(**values, extra=extra) if extra else self.build(**values)
        if self.agree is not None:
            self.agree(record)
        return record

    def schema(self) -> dict[str, Any]:
        rule: dict[str, Any] = {"type": "object", "properties": {key.name: key.schema() for key in self.keys}}
        if required := [key.name for key in self.keys if key.required]:
            rule["required"] = required
        return {"anyOf": [rule, {"type": "string", "minLength": 1}]} if self.short else rule


Kind = Integer | Text | Address | Flag | Choice | Free | Listing | Record
