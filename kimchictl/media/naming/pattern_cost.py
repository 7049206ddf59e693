"""Whether matching a pattern can take long, told from the pattern alone: they come from others, labels from strangers.

`re` goes back over every choice it made: which alternative, once more or not. A choice that the next characters decide
costs nothing. Of the others each multiplies the ways through a label, and one inside a repetition that can be reached
again in the same way doubles them with every character: "(a+)+", "(a|a)*". Those are refused, and so are too many of
the former in a row: ".*a.*a.*a.*a". It is the LL(k) look at a grammar, over the tree that `re` itself parses a pattern
into, with the sets of characters that each piece can begin with.

Where in doubt the answer is that it can. What cannot be gone back over, "(?>...)" and "x*+", is no choice.
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache, reduce
from itertools import combinations
from math import comb
from operator import or_
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

LABEL = 128  # characters: the longest that a label is
MAX_WAYS = 2_000_000  # through a label; some 40 ms
MAX_FINAL = 10_000  # through what is not gone back over, which may begin at any place
MAX_OPENINGS = 64  # beginnings of a piece that are told apart

# Sets of characters are bits: the first 256, those that are one of them in another case, all others, the label's end.
_FOLDS, _REST, _END = 1 << 256, 1 << 257, 1 << 258
_OTHERS, _ANY = _FOLDS | _REST, (1 << 258) - 1
_CAPITALS = sum(1 << ord(char) for char in map(chr, range(256)) if char.isupper())  # 32 before their small letters
_FOLDED = sum(1 << ord(char) for char in "ksKS\xe5\xc5\xb5\xff\xdf")
_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}
# What is not gone back over once it matched, and where its pieces are.
_FINAL = {
    sre.POSSESSIVE_REPEAT: lambda value: value[2],
    sre.ATOMIC_GROUP: lambda value: value,
    sre.ASSERT: lambda value: value[1],
    sre.ASSERT_NOT: lambda value: value[1],
}

Items = Sequence[tuple[Any, Any]]
Beginning = list[int]


class TooCostly(ValueError):
    """The pattern may take longer than a label is worth; the message says where."""


class _After(NamedTuple):
    """What can come behind a piece, as sets of characters: in the same repetition, and once that is left for good."""

    again: int
    beyond: int


@lru_cache(maxsize=512)
def check_cost(pattern: str, flags: int = 0, longest: int = LABEL, searched: bool = False) -> int:
    """The ways that a pattern has through a text of `longest` characters, at most: 20 ns each.

    Raises TooCostly for one that could take long, re.error for what is none.
    `searched`: it is tried everywhere in the text, not only where that begins.
    """
    walk = _Walk(longest)
    walk.sequence(_parser.parse(pattern, flags), _After(0, _END), False)
    walk.loops += searched
    return walk.check(MAX_WAYS)


def needs_no_look(pattern: str) -> bool:
    """Whether a glance tells that it has LABEL + 1 ways at most: nothing nested, and one repetition. So are most."""
    return "(" not in pattern and "|" not in pattern and sum(map(pattern.count, "*+?{")) <= 1


class _Walk:
    """Sums up the choices that are left open: repetitions (`loops`), and the ways of all others (`factor`)."""

    def __init__(self, longest: int) -> None:
        self.longest, self.loops, self.factor = longest, 0, 1

    def sequence(self, items: Items, after: _After, repeated: bool) -> None:
        """The pieces of `items`, with what is `after` them; `repeated` where they are inside a repetition."""
        for at, (kind, value) in enumerate(items):
            first, nullable = _first(items[at + 1 :])
            again, beyond = (first, 0) if repeated else (0, first)
            follows = _After(again | (after.again * nullable), beyond | (after.beyond * nullable))
            if kind is sre.SUBPATTERN:
                self.sequence(value[3], follows, repeated)
            elif kind is sre.BRANCH:
                self.branch(value[1], follows, repeated)
            elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
                self.repeat(value, follows, repeated)
            elif kind in _FINAL:
                inner = _Walk(self.longest)  # its ways are not multiplied: the first that matches is the only one
                inner.sequence(_FINAL[kind](value), _After(0, 0), False)
                inner.check(MAX_FINAL)
            elif kind is sre.GROUPREF_EXISTS:
                raise TooCostly("it depends on whether a group matched")

    def check(self, most: int) -> int:
        """The ways through a text. Raises TooCostly for more than `most`."""
        ways = comb(self.longest + self.loops, self.loops) * self.factor
        if ways > most:
            raise TooCostly(f"it has too many ways through a label of {self.longest} characters")
        return ways

    def branch(self, options: list[Items], after: _After, repeated: bool) -> None:
        for option in options:
            self.sequence(option, after, repeated)
        beginnings = [_beginnings(option, after.again | after.beyond) for option in options]
        # Most have no first character in common, which is seen at once: there may be thousands of pairs.
        heads = [reduce(or_, (start[0] if start else -1 for start in each)) for each in beginnings]
        pairs = combinations(zip(heads, beginnings, strict=True), 2)
        alike = sum(bool(head & first) and not _apart(one, other) for (head, one), (first, other) in pairs)
        if alike and repeated:
            raise TooCostly("it repeats alternatives that can match the same text")
        self.factor *= 1 + alike

    def repeat(self, value: tuple[int, int, Items], after: _After, repeated: bool) -> None:
        least, most, items = value
        first, nullable = _first(items)
        if nullable and (most > 1 or repeated):
            raise TooCostly("it repeats what may be nothing")
        if least != most and first & after.again:
            raise TooCostly("it repeats what is repeated itself, and the same text can be either's")
        if nullable or (least != most and first & after.beyond):
            if most > 4:
                self.loops += 1
            else:
                self.factor *= most - least + 1
        if most > 1:
            self.sequence(items, _After(first | after.again, after.beyond), True)
        else:
            self.sequence(items, after, repeated)


def _first(items: Items) -> tuple[int, bool]:
    """The characters that a match of `items` can begin with, and whether it can be empty."""
    found = 0
    for kind, value in items:
        some, nullable = _begins(kind, value)
        found |= some
        if not nullable:
            return found, False
    return found, True


def _begins(kind: Any, value: Any) -> tuple[int, bool]:
    if (one := _character(kind, value)) is not None:
        return one, False
    if kind is sre.SUBPATTERN:
        return _first(value[3])
    if kind is sre.ATOMIC_GROUP:
        return _first(value)
    if kind is sre.BRANCH:
        options = [_first(option) for option in value[1]]
        return reduce(or_, (first for first, _ in options)), any(nullable for _, nullable in options)
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        first, nullable = _first(value[2])
        return first, nullable or value[0] == 0
    if kind in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
        return 0, True
    return _ANY, True  # a group once more


def _beginnings(items: Items, after: int) -> list[Beginning]:
    """What `items`, with `after` behind them, can begin with: sets of characters for the first, the second, ..."""
    return [[*start, after] if whole else start for start, whole in _openings(items)]


def _openings(items: Items) -> list[tuple[Beginning, bool]]:
    """The same without what is behind, with whether that is the whole match; a repetition without end ends them."""
    found: list[tuple[Beginning, bool]] = [([], True)]
    for kind, value in items:
        own = _opening(kind, value)
        found = [
            way
            for start, whole in found
            for way in ([([*start, *next_], all_) for next_, all_ in own] if whole else [(start, False)])
        ]
        if len(found) > MAX_OPENINGS:
            return [([], False)]
    return found


def _opening(kind: Any, value: Any) -> list[tuple[Beginning, bool]]:
    one = _character(kind, value)
    if one is not None:
        return [([one], True)]
    if kind is sre.SUBPATTERN:
        return _openings(value[3])
    if kind is sre.ATOMIC_GROUP:
        return _openings(value)
    if kind is sre.BRANCH:
        return [way for option in value[1] for way in _openings(option)]
    if kind in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
        return [([], True)]
    if kind not in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [([], False)]
    least, most, body = value
    if most > least + 1 or most > 16:
        first, nullable = _first(body)
        return [([], True)] * (least == 0) + [([], False) if nullable else ([first], False)]
    return [way for times in range(least, most + 1) for way in _openings(list(body) * times)]


def _apart(one: list[Beginning], other: list[Beginning]) -> bool:
    return all(any(not a & b for a, b in zip(left, right, strict=False)) for left in one for right in other)


def _character(kind: Any, value: Any) -> int | None:
    """The set of characters that a piece of exactly one matches, None for any other; case makes no difference."""
    if kind is sre.ANY:
        return _ANY
    if kind is sre.LITERAL:
        return _any_case(_range(value, value))
    if kind is sre.NOT_LITERAL:
        return _any_case(_ANY & ~_range(value, value) | _OTHERS)
    return _any_case(_class(value)) if kind is sre.IN else None


def _class(members: Items) -> int:
    """The set of a "[...]"."""
    found = 0
    for kind, value in members:
        if kind is sre.RANGE:
            found |= _range(*value)
        elif kind is sre.CATEGORY:
            found |= _of_category(value)
        elif kind is sre.LITERAL:
            found |= _range(value, value)
    return (_ANY & ~found) | _OTHERS if members[0][0] is sre.NEGATE else found


def _range(first: int, last: int) -> int:
    return ((1 << min(last, 255) + 1) - 1) >> first << first | _OTHERS * (last > 255)


def _any_case(found: int) -> int:
    found |= (found & _CAPITALS) << 32 | found >> 32 & _CAPITALS
    return found | _FOLDS if found & _FOLDED else found


@cache
def _of_category(category: Any) -> int:
    is_one = re.compile(_CATEGORIES[category]).match
    others = _FOLDS * bool(is_one("\u017f")) | _REST
    return reduce(or_, (1 << number for number in range(256) if is_one(chr(number))), others)
