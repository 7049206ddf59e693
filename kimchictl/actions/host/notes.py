"""Notes of work that would leave something half done if its process were killed: found, and acted upon, by the next.

    STATE/creating/HEX.json    one object: `host`, `process`, and what the work is about; 0600. Written before anything
                               is made, removed when the work is done or all of it was taken back

A note is its process's own, so nobody locks it; who finds one whose process is gone acts for it and removes it.
"""

import json
import os
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from kimchictl import files
from kimchictl.actions.host.processes import can_tell, identity, is_alive
from kimchictl.errors import Failed

DIRECTORY = "creating"
_LARGEST = 1 << 20


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
        record = _read(path) if name.endswith(".json") else None
        if record and record.get("host") == host and isinstance(record.get("process"), dict):
            yield path, record


def is_abandoned(record: dict[str, Any]) -> bool:
    """Whether its process is gone for certain."""
    return can_tell(record["process"]) and not is_alive(record["process"])


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
