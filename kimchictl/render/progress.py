"""Who shows progress: a bar on a terminal, first and last line in a log, one JSON object a line, or nobody.

Nothing is shown of work that takes less than a second.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from kimchictl.progress import Progress
from kimchictl.render.terminal import console, say, visible, write_err
from kimchictl.units import format_size

_PATIENCE = 1.0  # seconds before anything is shown
_INTERVAL = 0.1  # seconds between two looks


def choose(mode: str, terminal: bool, note: Callable[[str], None], detail: Callable[[str], None]) -> "Shown":
    """The receiver for `mode`; "auto" is a bar on a terminal and two lines elsewhere."""
    kinds: dict[str, type[Shown]] = {
        "none": Shown,
        "json": JsonLines,
        "bar": Bar,
        "auto": Bar if terminal else FirstAndLast,
    }
    return kinds[mode](note, detail)


class Shown(Progress):
    """Passes on notes and shows no progress; the others build on it."""

    def __init__(self, note: Callable[[str], None], detail: Callable[[str], None]) -> None:
        self._note, self._detail = note, detail
        self.what, self.unit = "", ""
        self.total: int | None = None
        self._started = self._last = 0.0
        self._active = self._visible = False

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.what, self.total, self.unit = what, total, unit
        self._started = self._last = time.monotonic()
        self._active, self._visible = True, False

    def advance(self, done: int, where: str = "") -> None:
        now = time.monotonic()
        if not self._active or now - self._started < _PATIENCE or now - self._last < _INTERVAL:
            return
        self._last = now
        if not self._visible:
            self._visible = True
            self.appear()
        self.show(done, where)

    def end(self, summary: str = "") -> None:
        if self._active and self._visible:
            self.vanish(summary)
        self._active = self._visible = False

    def note(self, message: str) -> None:
        self._note(message)

    def detail(self, message: str) -> None:
        self._detail(message)

    def close(self) -> None:
        self.end()

    def amount(self, done: int) -> str:
        """ "3 of 10 images", or bytes for a person."""
        write = format_size if self.unit == "bytes" else str
        total = f" of {write(self.total)}" if self.total is not None else ""
        return f"{write(done)}{total}{'' if self.unit == 'bytes' else ' ' + self.unit}".rstrip()

    def appear(self) -> None:
        """Work has taken over a second."""

    def show(self, done: int, where: str) -> None:
        """`done` so far."""

    def vanish(self, summary: str) -> None:
        """The work that was shown is over."""


class FirstAndLast(Shown):
    """For a log: a line when it turns out long, and one at its end."""

    def appear(self) -> None:
        say(f"{self.what} ...")

    def vanish(self, summary: str) -> None:
        say(f"{self.what}: {summary or 'done'}, {time.monotonic() - self._started:.0f} s")


class JsonLines(Shown):
    """One object a line on stderr, for programs."""

    def show(self, done: int, where: str) -> None:
        self._line({"done": done, "where": where})

    def vanish(self, summary: str) -> None:
        self._line({"finished": True, "summary": summary})

    def _line(self, content: dict[str, Any]) -> None:
        write_err(json.dumps({"progress": self.what, "total": self.total, "unit": self.unit, **content}) + "\n")


class Bar(Shown):
    """A bar, or a spinner where the total is unknown, that goes away when the work is done."""

    _bar: Any = None

    def appear(self) -> None:
        import sys

        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if self.total is not None:
            columns.append(BarColumn(bar_width=24))
        columns += [TextColumn("{task.fields[amount]}", markup=False), TimeElapsedColumn()]
        columns.append(TextColumn("{task.fields[where]}", markup=False))
        self._bar = RichProgress(*columns, console=console(sys.stderr, None), transient=True, refresh_per_second=8)
        self._task = self._bar.add_task(self.what, total=self.total, amount="", where="")
        self._bar.start()

    def show(self, done: int, where: str) -> None:
        room = max(10, self._bar.console.width - 60)
        shown = visible(where)
        shown = shown if len(shown) <= room else "…" + shown[-room + 1 :]
        self._bar.update(self._task, completed=done, amount=self.amount(done), where=shown)

    def vanish(self, summary: str) -> None:
        self._bar.stop()
        self._bar = None
