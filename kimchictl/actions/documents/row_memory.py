"""What listing worked out of each document, kept for the next time: worth only time, safe to delete.

    CACHE_DIR/template-rows     marshal: [salt, lines, {content of a document: entry}], in the order of the listing

A row follows from the bytes of its document, the configuration and this program: the bytes are the key, the others the
salt. So nothing here can be out of date. The file is one's own; one that cannot be read or written is done without.
"""

import contextlib
import marshal
import os
from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]
Entry = tuple[str, str, bytes, tuple[Any, ...]]
"""The name; the row as JSON up to its marks; the row itself, marshalled; the fields of its marks.Files."""

_FORMAT = 2
_FEW = 20  # rows of many that are worked out anew before it is worth writing the file


class RowMemory:
    """The entries of one listing: `known` from the last time by content, `keep` those of this time.

    `lines` tells that the JSON of a row is one line.
    """

    def __init__(self, path: str, salt: str) -> None:
        self._path, self._salt = path, f"{_FORMAT} {salt}"
        self.lines, self.known = self._load()

    def keep(self, lines: bool, entries: Mapping[bytes, Entry]) -> None:
        """Write the entries of this listing, if enough are new. Not synced: after a crash they are worked out again."""
        new = len(entries.keys() - self.known.keys()) if lines == self.lines else len(entries)
        if not new or (new <= _FEW and new * 10 < len(entries)):
            return
        temporary = f"{self._path}.{os.getpid()}"
        with contextlib.suppress(OSError, ValueError):
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(marshal.dumps([self._salt, lines, dict(entries)]))
            os.replace(temporary, self._path)

    def _load(self) -> tuple[bool, dict[bytes, Entry]]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                if os.fstat(fd).st_uid != os.geteuid():  # marshal is not safe against somebody else's file
                    return False, {}
                salt, lines, entries = marshal.loads(file.read())  # noqa: S302 - one's own file
        except (OSError, ValueError, EOFError, TypeError):
            return False, {}
        return (lines, entries) if salt == self._salt else (False, {})
