"""Checks the form of a rule that somebody wrote: after it, applying the rule cannot fail."""

import re
from collections.abc import Mapping
from typing import Any

from kimchictl.errors import Invalid
from kimchictl.media.naming.labels import LABELS, MAX_INSIDE, MAX_VOLUME_ID, PATTERN_FLAGS, expanded
from kimchictl.media.naming.pattern_cost import LABEL, TooCostly, check_cost

MAX_PATTERN = 1000  # characters
MAX_EXPANDED = 10_000
MAX_PATTERNS = 100

_TEXTS = ("name", "distro", "title", "version", "arch")
_TABLES = ("versions", "arches", "ids")
_LISTS = ("when", "shared")
_FLAGS = ("live", "coarse")
# What is not as long as the longest label; an edition is looked for in two of them.
_LENGTHS = {"volume": MAX_VOLUME_ID, "inside": MAX_INSIDE, "edition": MAX_VOLUME_ID + LABEL}


def check_rule(document: Mapping[str, Any], where: str) -> int:
    """The ways that its patterns have through the labels of one image (see `pattern_cost`), all together.

    Raises Invalid, naming `where` and the key, for a rule that is not as `kimchictl.media.naming.rules` says.
    """
    for key in ("name", "distro", "match"):
        if not document.get(key):
            raise Invalid(f"rule {where} lacks the key {key!r}")
    for key in _TEXTS:
        _require(document.get(key, "") == "" or isinstance(document[key], str), where, key, "a text")
    for key in _FLAGS:
        _require(document.get(key, False) in (True, False, None), where, key, "true or false")
    for key in _LISTS:
        _require(_is_texts(document.get(key, [])), where, key, "a list of texts")
    for key in _TABLES:
        table = document.get(key, {})
        _require(isinstance(table, dict) and _is_texts(list(table.values())), where, key, "a table of texts")
    return _check_match(document["match"], where) + _check_pairs(document, where)


def _require(holds: bool, where: str, key: str, what: str) -> None:
    if not holds:
        raise Invalid(f"rule {where}: {key!r} must be {what}")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _check_match(match: object, where: str) -> int:
    if not isinstance(match, list) or not all(isinstance(option, dict) and option for option in match):
        raise Invalid(f"rule {where}: 'match' must be a list of objects with a pattern for each label")
    pairs = [pair for option in match for pair in option.items()]
    _require(len(pairs) <= MAX_PATTERNS, where, "match", f"{MAX_PATTERNS} patterns at most")
    for label, _ in pairs:
        if label not in LABELS:
            raise Invalid(f"rule {where}: there is no label {label!r}", f"the labels are {', '.join(LABELS)}")
    return sum(_check_pattern(text, label, where) for label, text in pairs)


def _check_pairs(document: Mapping[str, Any], where: str) -> int:
    """`variant` and `edition`, lists that begin with a pattern."""
    ways, variant = 0, document.get("variant")
    if variant is not None and not isinstance(variant, str):
        form = isinstance(variant, list) and all(_is_texts(pair) and len(pair) == 2 for pair in variant)
        _require(form, where, "variant", "a text or a list of [pattern, text]")
        ways += sum(_check_pattern(pattern, "variant", where) for pattern, _ in variant)
    edition = document.get("edition", [])
    form = isinstance(edition, list) and all(_is_edition(entry) for entry in edition)
    _require(form, where, "edition", "a list of [pattern, edition, true or false]")
    return ways + sum(_check_pattern(pattern, "edition", where) for pattern, *_ in edition)


def _is_edition(entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) in (2, 3)
        and _is_texts(entry[:2])
        and all(isinstance(live, bool) for live in entry[2:])
    )


def _check_pattern(text: object, key: str, where: str) -> int:
    """The ways of a label's pattern with its `<parts>`; those of `variant` and `edition` have none."""
    if not isinstance(text, str) or len(text) > MAX_PATTERN:
        raise Invalid(f"rule {where}: the pattern for {key!r} must be a text of at most {MAX_PATTERN} characters")
    try:
        full = expanded(text) if key in LABELS else text
        if len(full) > MAX_EXPANDED:
            raise Invalid(f"rule {where}: the pattern for {key!r} has too many parts")
        ways = check_cost(full, PATTERN_FLAGS, _LENGTHS.get(key, LABEL), searched=key == "edition")
        re.compile(full, PATTERN_FLAGS)
    except KeyError as error:
        raise Invalid(f"rule {where}: the pattern for {key!r} has an unknown part <{error.args[0]}>") from None
    except TooCostly as error:
        hint = "write it so that the next characters decide, or put what needs no second try into (?>...)"
        raise Invalid(f"rule {where}: the pattern for {key!r} could take long to match: {error}", hint) from None
    except (re.error, RecursionError, OverflowError) as error:
        raise Invalid(f"rule {where}: the pattern for {key!r} is not a regular expression: {error}") from None
    return ways
