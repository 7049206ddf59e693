"""The two streams: what reaches stdout and stderr, and how it is escaped.

What comes from an image, a file name or a server is escaped here before a terminal sees it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

from kimchictl.errors import Failed, KimchiError


def visible(text: str) -> str:
    """`text` with everything that could move a cursor, hide or reorder text written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def write_out(text: str) -> None:
    """All data goes through here. Raises BrokenPipeError where nobody reads, Failed where it cannot be written."""
    out = sys.stdout
    if out is None:
        raise BrokenPipeError
    try:
        out.write(text)
    except UnicodeEncodeError:
        out.write(text.encode(out.encoding or "ascii", "backslashreplace").decode(out.encoding or "ascii"))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"standard output cannot be written: {error.strerror}") from None


@contextmanager
def binary_out(what: str) -> Iterator[BinaryIO]:
    """Standard output as it takes bytes, for `what`: a picture, a console.

    Raises BrokenPipeError where nobody reads, Failed where it takes text alone or cannot be written.
    """
    out = sys.stdout
    if out is None:
        raise BrokenPipeError
    stream = getattr(out, "buffer", None)
    if stream is None:
        raise Failed(f"standard output cannot take {what}", "it needs a terminal, a file or a pipe")
    try:
        out.flush()
        yield stream
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"standard output cannot be written: {error.strerror}") from None


def say(message: str, end: str = "\n") -> None:
    """A sentence, or several lines, on stderr, escaped; silently dropped where there is no stderr."""
    write_err("\n".join(visible(line) for line in message.split("\n")) + end)


def say_error(error: KimchiError, as_json: bool) -> None:
    """An error as its one line, and the hint as a second; or the error object."""
    if as_json:
        import json

        content = {"code": error.code, "message": str(error), "hint": error.hint}
        write_err(json.dumps({"error": content}) + "\n")
        return
    for line in (f"kimchictl: error: {error}", f"hint: {error.hint}" if error.hint else ""):
        if line:
            say(" ".join(line.split("\n")))


def write_err(text: str) -> None:
    """`text` on stderr; where nobody is there to be told, nowhere."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return


def is_terminal(stream: TextIO | None) -> bool:
    """Whether `stream` is there, open, and a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def colour_is_forced(color: str | None) -> bool:
    """Whether what is no terminal gets colour, too: --color always, or FORCE_COLOR where --color leaves it open."""
    if color in ("always", "never"):
        return color == "always"
    return bool(os.environ.get("FORCE_COLOR")) and not os.environ.get("NO_COLOR")


def console(stream: TextIO, color: str | None) -> Any:
    """rich's console on `stream`, with colour as `color` (auto, always, never), NO_COLOR and TERM say."""
    from rich.console import Console

    plain_wanted = color == "never" or (
        color != "always" and (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")
    )
    return Console(
        file=stream,
        color_system=None if plain_wanted else "auto",  # None: bold type is left out, too
        force_terminal=True if color == "always" else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
