"""Sizes, durations and times, as text and as numbers."""

import re
from datetime import UTC, datetime

from kimchictl.errors import Invalid

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

_POWERS = {"": None, "B": 1, **{u + s: 1 << 10 * (i + 1) for i, u in enumerate("KMGTP") for s in ("", "iB")}}
_FOLDED = {name.lower(): factor for name, factor in _POWERS.items()}
# Patterns are compiled at their first use: it takes longer than reading a command line.
_SIZE = r"(?a)\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*"
_DURATION = r"(?a)\s*(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?\s*"
_SECONDS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_size(text: str, bare: int = 1) -> int:
    """Bytes in `text`: "512M", "2G", "1.5GiB" are powers of two; a bare number counts in units of `bare` bytes.

    Raises Invalid for anything else, "2GB" included: whether that is a power of ten is anybody's guess.
    """
    match = re.fullmatch(_SIZE, text)
    if match is None:
        raise Invalid(f"size {text.strip()!r} is not a number with a unit", "write it like 512M, 2G or 1.5GiB")
    number, unit = match.groups()
    if unit.lower() in {"kb", "mb", "gb", "tb", "pb"}:
        raise Invalid(
            f"size {text.strip()!r} is ambiguous", f"{unit[0].upper()} or {unit[0].upper()}iB is a power of two"
        )
    if unit.lower() not in _FOLDED:
        raise Invalid(f"size {text.strip()!r} has the unknown unit {unit!r}", "the units are K, M, G, T and P")
    factor = _FOLDED[unit.lower()] or bare
    whole, _, fraction = number.partition(".")
    return int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)


def format_size(size: int | None) -> str:
    """`size` bytes for a person: "1.5 GiB"; "-" for None."""
    if size is None:
        return "-"
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if abs(value) < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" or value == int(value) else f"{value:.1f} {unit}"


def parse_duration(text: str) -> float:
    """Seconds in `text`: "90s", "5m", "1h", "250ms"; a bare number is seconds. Raises Invalid."""
    match = re.fullmatch(_DURATION, text)
    if match is None:
        raise Invalid(f"duration {text.strip()!r} is not a number with a unit", "write it like 90s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def format_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339 in UTC ("2026-01-02T03:04:05Z"); None for None and for what no year holds."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return None
