"""Compiles the files of osinfo-db into one plain document that a cache can hold: lists, texts, numbers, no more.

    oses      columns: id, short_id, distro, version, name, family, status, released, eol, parents, resources, devices,
              refused devices, firmware
    media     columns: number of the os, arch, live (0 or 1), volume size or 0, four pattern numbers or -1
    patterns  columns: regular expression, literal beginning, 1 if that is all of it
    index     {beginning of a volume id: [numbers of media]}; under "" those whose volume id may begin with anything

Columns, since a few long lists are read and checked much faster than thousands of short ones. `resources` is {arch:
[memory bytes, CPUs, storage bytes, the same three as minimum]}, 0 where there is none. `firmware` is {arch: [types]}, a
type that is said not to work as "no-TYPE"; one that is not mentioned may work.
"""

import re
from typing import Any

from kimchictl.media.naming.osinfo_files import DatabaseFile, Element, Unparsable, read_document
from kimchictl.media.naming.pattern_cost import LABEL, TooCostly, check_cost, needs_no_look
from kimchictl.media.naming.patterns import literal_prefixes

PREFIX_LENGTH = 16
MAX_PATTERN = 1000  # characters
MAX_WAYS = 10_000_000  # through the labels of one image, all patterns together: 0.2 s; a real database has 0.4 million
LABELS = ("volume-id", "system-id", "publisher-id", "application-id")

Document = dict[str, Any]


class _Costly(Exception):
    """A medium whose pattern is not worth the time that it could take."""


def compile_files(files: list[DatabaseFile]) -> Document:
    """The database in `files`; a file that cannot be read or parsed is left out and listed under "skipped".

    So is a medium with a pattern that could take long to match, by itself or with all those before it, named with its
    system.
    """
    systems: dict[str, list[Element]] = {}
    skipped = []
    for file in files:
        try:
            root = read_document(file.path)
        except Unparsable as error:
            skipped.append(f"{file.path}: {error}")
            continue
        for system in root.children:
            if system.tag == "os" and system.attributes.get("id"):
                systems.setdefault(system.attributes["id"], []).append(system)
    document: Document = {"oses": _columns(14), "media": _columns(8), "patterns": _columns(3), "index": {}}
    document["skipped"] = skipped
    patterns = _Patterns(document["patterns"])
    for number, (name, parts) in enumerate(systems.items()):
        _append(document["oses"], _system(name, parts))
        for medium in (child for part in parts for child in part.children if child.tag == "media"):
            try:
                _add_medium(document, patterns, medium, number)
            except _Costly as error:
                skipped.append(f"{name}: {error}")
    return document


def _columns(count: int) -> list[list[Any]]:
    return [[] for _ in range(count)]


def _append(columns: list[list[Any]], row: list[Any]) -> None:
    for column, value in zip(columns, row, strict=True):
        column.append(value)


def _system(name: str, parts: list[Element]) -> list[Any]:
    """The row of one system, put together from all files that speak of it; the later one counts."""

    def value(tag: str) -> str | None:
        return next((text for part in reversed(parts) if (text := part.value(tag))), None)

    children = [child for part in parts for child in part.children]
    resources: dict[str, list[int]] = {}
    for element in children:
        if element.tag == "resources":
            resources[element.attributes.get("arch", "all")] = _resources(element)
    return [
        name,
        value("short-id") or "",
        value("distro") or "",
        value("version") or "",
        value("name") or "",
        value("family") or "",
        value("release-status") or "released",
        value("release-date"),
        value("eol-date"),
        [link.attributes.get("id", "") for link in children if link.tag in ("clones", "derives-from")],
        resources,
        *_devices(children),
        _firmware(children),
    ]


def _resources(element: Element) -> list[int]:
    def number(kind: str, tag: str) -> int:
        figures = element.find(kind)
        text = figures.value(tag) if figures else None
        return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else 0

    return [number(kind, tag) for kind in ("recommended", "minimum") for tag in ("ram", "n-cpus", "storage")]


def _devices(children: list[Element]) -> tuple[list[str], list[str]]:
    """The devices that the system itself has drivers for, and those it is said to have none for."""
    given: list[str] = []
    refused: list[str] = []
    for device in (device for child in children if child.tag == "devices" for device in child.children):
        where = refused if device.attributes.get("supported") == "false" else given
        where.append(device.attributes.get("id", ""))
    return given, refused


def _firmware(children: list[Element]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for attributes in (child.attributes for child in children if child.tag == "firmware"):
        refused = "no-" if attributes.get("supported") == "false" else ""
        kinds.setdefault(attributes.get("arch", "all"), []).append(refused + attributes.get("type", ""))
    return kinds


def _add_medium(document: Document, patterns: "_Patterns", medium: Element, system: int) -> None:
    iso = medium.find("iso")
    if iso is None:
        return
    texts = [child.text if (child := iso.find(label)) else None for label in LABELS]
    size = (iso.value("volume-size") or "").strip()
    if not any(texts) and not size.isdigit():
        return  # nothing to tell it by: it would match every image
    patterns.spend([text for text in texts if text])
    row = [
        system,
        medium.attributes.get("arch", "all"),
        int(medium.attributes.get("live") == "true"),
        int(size) if size.isascii() and size.isdigit() and len(size) < 18 else 0,
        *[patterns.number(text) if text else -1 for text in texts],
    ]
    volume = texts[0]
    beginnings = literal_prefixes(volume) if volume else [("", False)]
    for beginning in {text[:PREFIX_LENGTH] for text, _ in beginnings}:
        document["index"].setdefault(beginning, []).append(len(document["media"][0]))
    _append(document["media"], row)


class _Patterns:
    """The patterns in their `columns`, each held once: a thousand media share a publisher."""

    def __init__(self, columns: list[list[Any]]) -> None:
        self._columns, self._numbers, self._ways = columns, dict[str, int](), dict[str, int]()
        self._left = MAX_WAYS

    def spend(self, texts: list[str]) -> None:
        """Makes sure that an image can be compared with one more medium. Raises _Costly."""
        for text in texts:
            if text not in self._ways:
                self._ways[text] = _ways(text)
        ways = sum(self._ways[text] for text in texts)
        if ways > self._left:
            raise _Costly(f"the pattern {texts[0][:80]!r} could take long to match, with those of other media")
        self._left -= ways

    def number(self, text: str) -> int:
        """The number of a pattern."""
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            prefixes = literal_prefixes(text)
            literal, whole = prefixes[0] if len(prefixes) == 1 else ("", False)
            _append(self._columns, [text, literal, int(whole)])
        return self._numbers[text]


def _ways(text: str) -> int:
    """How many ways it has through a label. Raises _Costly. What is no regular expression names nothing: one."""
    if len(text) > MAX_PATTERN:
        raise _Costly(f"a pattern of more than {MAX_PATTERN} characters")
    if needs_no_look(text):
        return LABEL + 1 if "*" in text or "+" in text or "{" in text else 2
    try:
        return check_cost(text)
    except TooCostly as error:
        raise _Costly(f"the pattern {text[:80]!r} could take long to match: {error}") from None
    except (re.error, RecursionError, OverflowError):
        return 1
