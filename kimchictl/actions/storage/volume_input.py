"""What is uploaded: a file with its holes, a block device, or what comes through a pipe."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from kimchictl import files
from kimchictl.errors import Invalid
from kimchictl.media.source import Source, Unreadable, open_source

READ = 1 << 20  # bytes
_ZEROS = bytes(READ)


@dataclass(frozen=True, slots=True)
class Input:
    """What is uploaded: `size` bytes, None where only its end will tell; `taken` is what they take on a disk here.

    A piece that is a number is that many zeros.
    """

    name: str
    size: int | None
    taken: int | None
    pieces: Callable[[], Iterator[bytes | int]]


@contextmanager
def open_input(path: str, size: int | None = None, stdin: BinaryIO | None = None) -> Iterator[Input]:
    """The file, block device or pipe at `path`; "-" is `stdin`. `size` is what a pipe is said to give.

    Raises NotFound, Unreadable, Invalid.
    """
    if path == "-" and stdin is not None:
        yield Input("standard input", _rest(stdin) if size is None else size, None, lambda: _read(stdin, path))
    elif _is_pipe(path):
        try:
            with open(path, "rb", buffering=0) as pipe:
                yield Input(path, size, None, lambda: _read(pipe, path))
        except OSError as error:
            raise files.failed("read", path, error) from error
    else:
        with open_source(path) as source:
            length = source.size or 0
            if size not in (None, length):
                raise Invalid(f"{path} has {length} bytes, not {size}", "--size is for what comes through a pipe")
            yield Input(source.location, length, _taken(source), lambda: _pieces(source, length))


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False  # opening it says why


def _rest(stream: BinaryIO) -> int | None:
    """What is left of a file that is standard input; None for a pipe."""
    try:
        status = os.fstat(stream.fileno())
        return status.st_size - stream.tell() if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError):
        return None


def _read(stream: BinaryIO, what: str) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.read(READ)
        except (OSError, ValueError) as error:
            raise Unreadable(f"{what!r} cannot be read", str(error)) from error
        if not piece:
            return
        yield piece


def _pieces(source: Source, size: int) -> Iterator[bytes | int]:
    offset = 0
    while offset < size:
        data = min(source.next_data(offset), size)
        if data > offset:
            yield data - offset
            offset = data
        elif piece := source.read(offset, min(READ, size - offset)):
            yield piece
            offset += len(piece)
        else:
            return  # it shrank meanwhile


def _taken(source: Source) -> int:
    """Holes are not sent. What a compressing file system takes less, is."""
    size = source.size or 0
    return min(size, os.stat(source.location).st_blocks * 512) if source.kind == "file" else size


def plain(pieces: Iterable[bytes | int]) -> Iterator[bytes]:
    """Holes as the zeros that they stand for."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        while piece:
            length = min(piece, READ)
            yield _ZEROS[:length]
            piece -= length
