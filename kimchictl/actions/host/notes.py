"""Notes of work that would leave something half done if its process were killed: found, and acted upon, by the next.

    STATE/creating/HEX.json    one object: `host`, `process`, and what the work is about; 0600. Written before anything
                               is made, removed when the work is done or all of it was taken back

A note is its process's own, so nobody locks it; who finds one whose process is gone acts for it and removes it.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from secrets import token_hex
from typing import Any

from kimchictl import files
from kimchictl.actions.host.processes import can_tell, identity, is_alive
from kimchictl.errors import Failed

DIRECTORY = "creating"
_LARGEST = 1 << 20  # bytes
_WRITTEN = 60.0  # seconds in which a note is written, or never


def new_note(state_dir: str) -> str:
    """A path for a note."""
    return os.path.join(state_dir, DIRECTORY, f"{token_hex(8)}.json")


def write_note(path: str, host: str, record: dict[str, Any]) -> None:
    """`record` as the note of this process at work on `host`. Raises Failed."""
    files.make_directory(os.path.dirname(path))
    whole = {"host": host, "process": identity(os.getpid()), **record}
    files.replace_file(path, json.dumps(whole).encode(), 0o600)


def remove_note(path: str) -> None:
    """The work is done, or undone. Another process may have been of that opinion, too. Raises Failed."""
    if os.path.exists(path):
        try:
            files.remove_file(path)
        except Failed:
            if os.path.exists(path):
                raise


def find_notes(state_dir: str, host: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, record) of all notes of work on `host`; one that cannot be read proves nothing, and is left out."""
    directory = os.path.join(state_dir, DIRECTORY)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        if name.startswith(files.TEMPORARY.decode()):
            _forget_old(path)
        record = _read(path) if name.endswith(".json") else None
        if record and record.get("host") == host and isinstance(record.get("process"), dict):
            yield path, record


def is_abandoned(record: dict[str, Any]) -> bool:
    """Whether its process is gone for certain."""
    return can_tell(record["process"]) and not is_alive(record["process"])


def _forget_old(path: str) -> None:
    """A note that was not written to its end is of something that was not begun."""
    with suppress(OSError):
        if time.time() - os.stat(path).st_mtime > _WRITTEN:
            os.unlink(path)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
