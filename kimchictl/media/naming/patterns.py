"""What a start-anchored regular expression surely begins with, so that most need not be compiled at all.

Only plain things are understood; of anything else the answer is "could begin with anything", which is always right.
"""

_QUANTIFIERS = "*?{+"
_PLAIN = set(" -_/:#,\"'!@%&=~<>;")


def literal_prefixes(pattern: str) -> list[tuple[str, bool]]:
    """What a match of `pattern` at the start of a text begins with: (literal, whether that is all there is to match).

    One of them is the beginning of every text that matches. A leading group of alternatives gives one for each.
    """
    pattern = pattern.removeprefix("^")
    if _top_level_bar(pattern) >= 0:
        return [("", False)]
    if pattern.startswith("(") and not pattern.startswith("(?"):
        end = _closing(pattern)
        if end < 0 or pattern[end + 1 : end + 2] in tuple(_QUANTIFIERS):
            return [("", False)]
        inner = [prefix for option in _options(pattern[1:end]) for prefix in literal_prefixes(option)]
        rest, whole = _literal(pattern[end + 1 :])
        return [(text + rest, whole) if complete else (text, False) for text, complete in inner]
    return [_literal(pattern)]


def _literal(pattern: str) -> tuple[str, bool]:
    """The literal run that `pattern` begins with, and whether the pattern ends there."""
    text: list[str] = []
    at = 0
    while at < len(pattern):
        char, width = pattern[at], 1
        if char == "\\":
            char, width = pattern[at + 1 : at + 2], 2
            if not char or char.isalnum():
                break
        elif not (char.isalnum() or char in _PLAIN):
            break
        if pattern[at + width : at + width + 1] in tuple(_QUANTIFIERS):
            break
        text.append(char)
        at += width
    return "".join(text), at >= len(pattern)


def _closing(pattern: str) -> int:
    """Where the group that opens at 0 closes, -1 where that is not plain to see."""
    depth = 0
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "[":
            return -1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _top_level_bar(pattern: str, start: int = 0) -> int:
    """Where the first "|" outside of groups and classes is, -1 for none."""
    depth, at, in_class = 0, start, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return at
        at += 1
    return -1


def _options(pattern: str) -> list[str]:
    """The alternatives of a group's inside."""
    bar = _top_level_bar(pattern)
    return [pattern] if bar < 0 else [pattern[:bar], *_options(pattern[bar + 1 :])]
