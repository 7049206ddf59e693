"""The live screen of `stats watch`: a line a domain, a bar a measure, as much of both as the terminal holds."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kimchictl.errors import UsageError
from kimchictl.locks.signals import uninterrupted
from kimchictl.render.terminal import console, is_terminal, visible
from kimchictl.render.usage import amount, bar, fill

_VALUE = 14  # columns that a value takes, with a blank on each side: " 1023.9 MiB/s "
_NAME = 24
_NARROW = 4  # columns below which a bar tells nothing
_TITLES = {"cpu": "CPU", "memory": "MEMORY", "disk_read": "READ", "disk_write": "WRITE", "net_rx": "RECEIVED"}
_TITLES["net_tx"] = "SENT"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: a headline, and of each row the name and (current, peak, unit) by measure."""

    headline: str
    rows: Sequence[tuple[str, dict[str, tuple[float | None, float | None, str]]]]


def watch(frame: Callable[[], Frame], interval: float, color: str | None) -> None:
    """Shows what `frame` returns every `interval` s until a signal ends it; the terminal is as before then.

    Raises UsageError where standard output is no terminal that can be drawn on.
    """
    screen = console(sys.stdout, color)
    if not is_terminal(sys.stdout) or screen.is_dumb_terminal:
        raise UsageError("a live screen needs a terminal", "kimchictl stats show prints the same once")
    from rich.live import Live

    shown = frame()  # may take a moment, and may fail: before the screen is taken
    live = Live(console=screen, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    try:
        with uninterrupted():  # the terminal is wholly taken, or wholly given back
            live.start()
        while True:
            _show(live, shown, interval)
            shown = frame()
    finally:
        with uninterrupted():
            live.stop()


def _show(live: Any, frame: Frame, seconds: float) -> None:
    """Draws the frame, and again whenever the terminal gets another size, for `seconds`."""
    end, size = time.monotonic() + seconds, None
    while (left := end - time.monotonic()) > 0:
        if live.console.size != size:
            size = live.console.size
            live.update(_picture(frame, live.console), refresh=True)
        time.sleep(min(left, 0.25))


def _picture(frame: Frame, screen: Any) -> Any:
    """The frame as rich draws it, no line longer and no more lines than the screen has."""
    from rich.text import Text

    width, height = screen.size
    return Text("\n".join(lines(frame, width, height)), no_wrap=True, overflow="crop")


def lines(frame: Frame, width: int, height: int) -> list[str]:
    """The frame as at most `height` lines of at most `width` characters."""
    from rich.cells import cell_len, set_cell_size

    names = [visible(name) for name, _ in frame.rows]
    name_width = min(_NAME, max((cell_len(name) for name in names), default=4), max(4, width // 4))
    measures, room = _layout(width - name_width)
    title = " " * name_width + "".join(f"  {_TITLES[key]:<{room + _VALUE}}" for key in measures)
    drawn = [visible(frame.headline), title]
    shown = max(0, height - 3 if len(names) > height - 2 else len(names))
    for name, (_, values) in list(zip(names, frame.rows, strict=True))[:shown]:
        label = name if cell_len(name) <= name_width else set_cell_size(name, name_width - 1) + "~"
        drawn.append(set_cell_size(label, name_width) + "".join(_cell(values[key], room) for key in measures))
    if shown < len(names):
        drawn.append(f"and {len(names) - shown} more: the window is too low")
    return [set_cell_size(line, width).rstrip() for line in drawn[:height]]


def _layout(width: int) -> tuple[list[str], int]:
    """(the measures that fit beside each other, the columns of each bar)."""
    keys = list(_TITLES)
    for count in range(len(keys), 0, -1):
        room = width // count - 2 - _VALUE
        if room >= _NARROW:
            return keys[:count], min(room, 30)
    return keys[:1], 0


def _cell(value: tuple[float | None, float | None, str], room: int) -> str:
    current, peak, unit = value
    return f"  {bar(fill(current, peak, unit), room)}{amount(current, unit):>{_VALUE - 1}} "
