"""The compiled database on disk.

    CACHE_DIR/
      osinfo.json   three lines: what was compiled (format, and every file's path, size and time), the CRC-32 of the
                    third, the compiled document. Written whole, safe to delete at any time.

It is JSON since nothing in it can run, and it is believed only if it is a regular file of ours that nobody else may
write, complete, made by this format from exactly the files that are installed now. Otherwise it is compiled anew. No
lock: two processes that compile at once write the same thing.
"""

import contextlib
import json
import os
import stat
import zlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

from kimchictl.errors import KimchiError
from kimchictl.files import make_directory, replace_file
from kimchictl.media.naming.osinfo_compile import Document, compile_files
from kimchictl.media.naming.osinfo_files import DatabaseFile

FORMAT = "kimchictl osinfo 4"
FILE_NAME = "osinfo.json"
MAX_BYTES = 32 << 20

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def load_or_compile(files: list[DatabaseFile], cache_dir: str | None) -> Document:
    """The compiled database: from the cache if that may be believed, else compiled and, if possible, cached."""
    stamp = _stamp(files)
    path = os.path.join(cache_dir, FILE_NAME) if cache_dir else None
    document = read_cache(path, stamp) if path else None
    if document is None:
        document = compile_files(files)
        if path:
            # A cache that cannot be written costs time, and nothing else.
            with contextlib.suppress(KimchiError):
                write_cache(path, stamp, document)
    return document


def write_cache(path: str, stamp: str, document: Document) -> None:
    """Makes `document` the cache at `path`, in the place of whatever is there. Raises Failed."""
    content = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()
    make_directory(os.path.dirname(path))
    # A file that is replaced hands on its owner and permissions, which may be why it was not believed.
    with contextlib.suppress(OSError):
        os.unlink(path)
    replace_file(path, b"%s\n%08x\n%s\n" % (stamp.encode(), zlib.crc32(content), content), 0o600)


def read_cache(path: str, stamp: str) -> Document | None:
    """The document in the cache at `path` if it was made from what `stamp` says and may be believed, else None."""
    lines = _read_own(path).split(b"\n")
    if len(lines) != 4 or lines[0] != stamp.encode() or lines[1] != b"%08x" % zlib.crc32(lines[2]):
        return None
    try:
        document = json.loads(lines[2])
    except (ValueError, RecursionError):
        return None
    return document if well_formed(document) else None


def _stamp(files: list[DatabaseFile]) -> str:
    # JSON: a file's name may hold anything but the line's end must end the line.
    return json.dumps([FORMAT, [[file.path, file.size, file.mtime] for file in files]], separators=(",", ":"))


def _read_own(path: str) -> bytes:
    """The content of a regular file that belongs to us and that nobody else may write; b"" for any other."""
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError):
        return b""
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not ours or status.st_size > MAX_BYTES:
            return b""
        try:
            return file.read(MAX_BYTES)
        except OSError:
            return b""


def well_formed(document: Any) -> bool:
    """Whether a document has the shape that `compile_files` gives it, down to the last number."""
    try:
        oses, media, patterns, index = (document[key] for key in ("oses", "media", "patterns", "index"))
        return (
            _same_length(oses, 14)
            and all(_only(column, str) for column in oses[:7])
            and all(_only(column, str, type(None)) for column in oses[7:9])
            and all(_only(column, list) and _only(chain(*column), str) for column in (oses[9], oses[11], oses[12]))
            and _only((n for figures in oses[10] for row in figures.values() for n in _six(row)), int)
            and _only((kind for kinds in oses[13] for types in kinds.values() for kind in types), str)
            and _same_length(media, 8)
            and _only(media[1], str)
            and all(_only(column, int) for column in (media[0], *media[2:]))
            and _within(media[0], 0, len(oses[0]))
            and all(_within(column, -1, len(patterns[0])) for column in media[4:])
            and _same_length(patterns, 3)
            and _only(patterns[0], str)
            and _only(patterns[1], str)
            and _only(patterns[2], int)
            and _only(chain(*index.values()), int)
            and _within(list(chain(*index.values())), 0, len(media[0]))
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return False


def _same_length(columns: list[list[Any]], count: int) -> bool:
    return len(columns) == count and _only(columns, list) and len({len(column) for column in columns}) == 1


def _only(values: Iterable[Any], *types: type) -> bool:
    return set(map(type, values)) <= set(types)


def _within(numbers: list[int], lowest: int, end: int) -> bool:
    return not numbers or (min(numbers) >= lowest and max(numbers) < end)


def _six(figures: list[int]) -> list[int]:
    if len(figures) != 6:
        raise ValueError(figures)
    return figures
