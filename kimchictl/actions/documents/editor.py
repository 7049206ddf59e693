"""A document in the user's editor, until it is right or given up."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from kimchictl.errors import Failed, Invalid, KimchiError, UsageError
from kimchictl.store.documents import LARGEST_FILE, Unfit, decode, encode

Result = TypeVar("Result")

_FALLBACKS = ("sensible-editor", "editor", "vi", "nano")


def edit_document(document: dict[str, Any], what: str, accept: Callable[[Any], Result]) -> Result | None:
    """What `accept` makes of `document` as the user left it; None when nothing was changed.

    On a terminal a text that `accept` refuses is opened again, the error on top; leaving it as it is gives up, and the
    error is raised. Without a terminal it is raised at once. Raises Failed when the editor fails, UsageError if none.
    """
    original = shown = encode(document).decode()
    problem: KimchiError | None = None
    while True:
        edited = edit_text(shown, what)
        if problem is not None and edited == shown:
            raise problem
        body = _without_comments(edited)
        if body.strip() == original.strip() or not body.strip():
            return None
        try:
            return accept(_decode(body, what))
        except KimchiError as error:
            if not _on_terminal():
                raise
            problem, shown = error, _with_comments(error, body)


def edit_until(text: str, what: str, accept: Callable[[str], Result]) -> Result | None:
    """The same for an XML text: what `accept` makes of it, None when nothing was changed."""
    shown = text
    problem: KimchiError | None = None
    while True:
        edited = edit_text(shown, what, ".xml")
        if problem is not None and edited == shown:
            raise problem
        body = _XML_NOTE.sub("", edited, count=1)
        if body.strip() == text.strip() or not body.strip():
            return None
        try:
            return accept(body)
        except KimchiError as error:
            if not _on_terminal():
                raise
            problem = error
            said = str(error).replace("--", "- -")  # the end of a comment otherwise
            shown = f"<!-- kimchictl: {said}\n     Correct it, or leave it as it is to give up. -->\n{body}"


_XML_NOTE = re.compile(r"\A<!-- kimchictl: .*?-->\n", re.DOTALL)


def edit_text(text: str, what: str, suffix: str = ".json") -> str:
    """`text` as the user's editor left it. Raises Failed, UsageError."""
    import subprocess
    import tempfile

    command = _editor()
    with tempfile.TemporaryDirectory(prefix="kimchictl-") as directory:
        path = os.path.join(directory, "document" + suffix)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            status = subprocess.run([*command, path], check=False).returncode  # noqa: S603 - the user's own choice
        except OSError as error:
            raise Failed(f"editor {command[0]!r} cannot be started: {error.strerror}", "set EDITOR") from None
        if status:
            raise Failed(f"editor {command[0]!r} ended with status {status}: {what} is unchanged")
        return _read(path, what)


def _read(path: str, what: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_FILE + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{what}: what the editor left cannot be read: {error}") from None


def _editor() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        try:
            if words := shlex.split(os.environ.get(variable, "")):
                return words
        except ValueError as error:
            raise UsageError(f"{variable} cannot be read: {error}") from None
    import shutil

    found = next((path for name in _FALLBACKS if (path := shutil.which(name))), None) if _on_terminal() else None
    if found is None:
        raise UsageError("there is no editor", "set EDITOR, or give the changes as options")
    return [found]


def _on_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def _decode(text: str, what: str) -> Any:
    try:
        return decode(text.encode())
    except (Unfit, UnicodeEncodeError) as error:
        raise Invalid(f"{what}: the text {error}") from None


def _with_comments(error: KimchiError, body: str) -> str:
    lines = [str(error), *([f"hint: {error.hint}"] if error.hint else [])]
    lines += ["Correct it, or leave it as it is to give up. These lines are not kept."]
    return "".join(f"# {line}\n" for line in lines) + body


def _without_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return "".join(lines)
