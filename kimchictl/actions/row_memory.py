"""What listing worked out of each document, kept for the next time: worth only time, safe to delete.

    CACHE_DIR/template-rows     marshal: [salt, {content of a document: its row}]

A row follows from the bytes of its document, the configuration and this program: the bytes are the key, the others the
salt. So nothing here can be out of date. The file is one's own; one that cannot be read or written is done without.
"""

import contextlib
import marshal
import os
from typing import Any

Row = dict[str, Any]

_FEW = 20  # rows that are worked out anew before it is worth writing the file


class RowMemory:
    """The rows of one listing: `get` and `put` by content, `keep` at the end."""

    def __init__(self, path: str, salt: str) -> None:
        self._path, self._salt = path, salt
        self._known = self._load()
        self._used: dict[bytes, Row] = {}
        self._new = 0

    def get(self, content: bytes) -> Row | None:
        """A copy of the row, to write marks into; None when it is to be worked out."""
        row = self._known.get(content)
        if row is None:
            return None
        self._used[content] = row
        return row.copy()

    def put(self, content: bytes, row: Row) -> Row:
        """Remember `row`, which is handed back."""
        self._used[content] = row.copy()
        self._new += 1
        return row

    def keep(self) -> None:
        """Write the rows of this listing, if many are new. Not synced: after a crash they are worked out again."""
        if (self._new <= _FEW and self._new * 10 < len(self._used)) or not self._new or len(self._used) <= _FEW:
            return
        temporary = f"{self._path}.{os.getpid()}"
        with contextlib.suppress(OSError, ValueError):
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(marshal.dumps([self._salt, self._used]))
            os.replace(temporary, self._path)

    def _load(self) -> dict[bytes, Row]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                if os.fstat(fd).st_uid != os.geteuid():  # marshal is not safe against somebody else's file
                    return {}
                salt, rows = marshal.loads(file.read())  # noqa: S302 - one's own file
        except (OSError, ValueError, EOFError, TypeError):
            return {}
        return rows if salt == self._salt and isinstance(rows, dict) else {}
