"""What is used, for a person: values with units, spark lines, bars."""

import sys
from collections.abc import Sequence

from kimchictl.units import format_size

_SPARKS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"
LEAST_PEAK = 100_000  # bytes/s: below it traffic is idle, and must not look like full load


def amount(value: float | None, unit: str) -> str:
    """ "12.5 %", "1.5 GiB", "3 KiB/s"; "-" for what is not known."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{value:.1f} %"
    return format_size(round(value)) + ("/s" if unit.endswith("/s") else "")


def fill(current: float | None, peak: float | None, unit: str) -> float:
    """How full the bar of `current` is, 0 to 1: of the peak, or of 100 % where there is a whole."""
    if not current or current < 0:
        return 0.0
    whole = 100.0 if unit == "%" else max(peak or 0, current, LEAST_PEAK if unit.endswith("/s") else 1)
    return min(1.0, current / whole)


def bar(filled: float, width: int) -> str:
    """`width` columns, filled to the eighth of one; to the whole one where the output has no such characters."""
    if not has_blocks():
        return ("#" * round(filled * width)).ljust(width)
    eighths = round(filled * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def spark(values: Sequence[float | None], width: int, least: float = 0.0) -> str:
    """`values` as a line of at most `width` blocks, the highest of every stretch; a blank for what is not known.

    The tallest block is the highest value, or `least` if that is more. "" where the output has no such characters.
    """
    if not has_blocks() or not any(value is not None for value in values):
        return ""
    columns = min(width, len(values))
    stretches = [values[i * len(values) // columns : (i + 1) * len(values) // columns] for i in range(columns)]
    tops = [max((value for value in stretch if value is not None), default=None) for stretch in stretches]
    whole = max(least, *(top for top in tops if top is not None)) or 1
    return "".join(" " if top is None else _SPARKS[min(7, int(top / whole * 7.999))] for top in tops).rstrip()


def has_blocks() -> bool:
    """Whether standard output's encoding knows block characters."""
    try:
        (_SPARKS + _EIGHTHS).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
