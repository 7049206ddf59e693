"""Values of options that our own parsers read: durations, sizes, titles."""

from collections.abc import Callable
from typing import Any

import click

from kimchictl.errors import Invalid, UsageError
from kimchictl.units import parse_duration, parse_size


class Parsed(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer ones
    """An option's value read by one of our own parsers, whose Invalid becomes a usage error."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except Invalid as error:
            raise UsageError(f"{_option_name(param)}{error}", error.hint) from None


def _option_name(param: click.Parameter | None) -> str:
    return f"{max(param.opts, key=len)}: " if isinstance(param, click.Option) else ""


def _title(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise Invalid("a title is one line", "--description takes several")
    return text.strip()


DURATION = Parsed("duration", parse_duration)
BYTES = Parsed("size", parse_size)
TITLE = Parsed("title", _title)
