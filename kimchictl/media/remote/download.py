"""A whole image from the network into a file, or piece by piece into anything: resumed, verified, all or nothing.

    DIRECTORY/
      NAME          appears at once, whole and verified, and never replaces what is there
      .NAME.part    what has come so far; who writes it holds its flock. Removed on every failure; what a killed
                    process left is taken up by the next one when a checksum can tell that it is right, else begun anew

A broken connection is taken up where it broke as long as the server goes on giving, from the next address when it does
not. Pieces of two servers are mixed only where a checksum will tell whether they fit.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimchictl.errors import Damaged, Exists, Failed, KimchiError
from kimchictl.files import failed
from kimchictl.media.remote import NetSettings
from kimchictl.media.remote.checksums import Checksum
from kimchictl.media.remote.part import Part, part_file
from kimchictl.progress import SILENT, Progress
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.media.remote.body import Body

FRUITLESS = 3  # attempts in a row without a byte, after which a server is given up
RESERVE = 256 << 20  # bytes of a file system that a file of unknown length leaves free
_PAUSE = 0.5  # seconds before a broken connection is taken up again
_LOOK_EVERY = 16 << 20  # bytes between two looks at the free space
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url` is where the (last of the) bytes came from, `checksum` what they are, None where it was not computed.

    `verified` is whether that is what was expected, `fetched` is False when the file was there already.
    """

    path: str
    url: str
    size: int
    checksum: Checksum | None
    verified: bool
    fetched: bool = True


class Transfer:
    """The bytes of a file, once and in order, from the first address that gives them: iterate over it.

    `size` is the whole length or None, from the first piece on; `done` counts from the file's start; `url` is the
    address in use. Iterating raises Failed when no address goes on, Damaged when the checksum is another.
    """

    def __init__(
        self, addresses: Sequence[str], net: NetSettings, expected: Checksum | None = None, progress: Progress = SILENT
    ) -> None:
        self.left = list(addresses)
        self.url = addresses[0]
        self.size: int | None = None
        self.done = 0
        self._net, self._expected, self._progress = net, expected, progress
        self._validator: str | None = None
        self._hash = hashlib.new(expected.algorithm if expected else "sha256")

    @property
    def checksum(self) -> Checksum:
        """Of all bytes so far."""
        return Checksum(self._hash.name, self._hash.hexdigest())

    def already(self, piece: bytes) -> None:
        """A piece from the file's start, in order, which is there already."""
        self._hash.update(piece)
        self.done += len(piece)

    def __iter__(self) -> Iterator[bytes]:
        problem = Failed("there is no address to fetch from")
        while self.left:
            self.url = self.left.pop(0)
            fruitless = 0
            while fruitless < FRUITLESS:
                before = self.done
                try:
                    yield from self._from_here()
                    self._verify()
                    return
                except _Changed:
                    raise
                except Failed as error:
                    problem = error
                fruitless = fruitless + 1 if self.done == before else 0
                if self.done == 0:
                    break  # it has given nothing at all
                self._progress.detail(f"{problem}; taken up again at {format_size(self.done)}")
                time.sleep(_PAUSE)
            if self.done and self._expected is None:
                break
            self._validator = None
            if self.left:
                self._progress.detail(f"{problem}; the next mirror is asked")
        raise problem

    def _from_here(self) -> Iterator[bytes]:
        from kimchictl.media.remote.body import open_body

        with open_body(self.url, self._net, self.done, self._validator) as body:
            self._accept(body)
            skip = self.done - body.start
            while piece := body.read():
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                piece, skip = piece[skip:], 0
                self._hash.update(piece)
                self.done += len(piece)
                yield piece

    def _accept(self, body: "Body") -> None:
        """Whether `body` is of the file that was begun. Raises _Changed."""
        if body.web_page:
            raise Failed(f"{self.url!r} is a web page, not an image")
        if self.done:
            same_size = None in (self.size, body.size) or self.size == body.size
            if not same_size or (self._validator is not None and self._validator != body.validator):
                raise _Changed(f"{self.url!r} changed while it was fetched", "fetch it again")
        self.size = body.size if body.size is not None else self.size
        self._validator = body.validator

    def _verify(self) -> None:
        if self.size is not None and self.done != self.size:
            raise _Changed(f"{self.url!r} gave {self.done} bytes, not the {self.size} that it announced")
        if self._expected is not None and self.checksum != self._expected:
            raise Damaged(
                f"{self.url!r} is not what its checksum says: {self.checksum}, not {self._expected}",
                "the image or its checksum was replaced, or somebody tampers with it",
            )


class _Changed(Failed):
    """What has come so far is of no use any more."""


def download(
    addresses: Sequence[str],
    path: str,
    net: NetSettings,
    expected: Checksum | None = None,
    progress: Progress = SILENT,
) -> Fetched:
    """Fetch the first of `addresses` that works to `path`, which must not exist.

    Raises Failed, Damaged (the checksum), Exists, Locked; then nothing is left behind.
    """
    if os.path.lexists(path):
        raise Exists(f"{path} already exists")
    with part_file(path) as file:
        left = list(addresses)
        while True:
            transfer = Transfer(left, net, expected, progress)
            old = _take_up(file, transfer) if expected is not None else 0
            try:
                _write(file, transfer, path, progress)
                break
            except (Failed, Damaged) as error:
                # What an earlier attempt left may be wrong; what a mirror gave may be; and without a checksum no
                # mirror goes on where another one ended. In all three cases: once more from the start.
                if not (old and isinstance(error, Damaged | _Changed)):
                    left = transfer.left
                if not left:
                    raise
                progress.detail(f"{error}; begun anew")
                file.empty()
        file.publish(path)
    return Fetched(path, transfer.url, transfer.done, transfer.checksum, expected is not None)


def file_checksum(path: str, algorithm: str, progress: Progress = SILENT) -> Checksum:
    """The checksum of the file at `path`. Raises Failed."""
    digest = hashlib.new(algorithm)
    try:
        with open(path, "rb", buffering=0) as file:
            progress.begin(f"verifying {os.path.basename(path)}", os.fstat(file.fileno()).st_size, "bytes")
            while piece := file.read(_READ):
                digest.update(piece)
                progress.advance(file.tell())
    except OSError as error:
        raise failed("read", path, error) from error
    finally:
        progress.end()
    return Checksum(algorithm, digest.hexdigest())


def _take_up(file: Part, transfer: Transfer) -> int:
    """Count what an earlier attempt left; its length."""
    while piece := os.read(file.descriptor, _READ):
        transfer.already(piece)
    return transfer.done


def _write(file: Part, transfer: Transfer, path: str, progress: Progress) -> None:
    """Everything that `transfer` gives, behind what is there. Raises Failed, Damaged."""
    if transfer.done == 0:
        file.empty()
    looked: int | None = None
    try:
        for piece in transfer:
            if looked is None:
                progress.begin(f"fetching {os.path.basename(path)}", transfer.size, "bytes")
            if looked is None or transfer.done - looked >= _LOOK_EVERY:
                looked = transfer.done
                _require_space(file, path, transfer, len(piece))
            file.write(piece)
            progress.advance(transfer.done)
    except OSError as error:
        raise failed("write", path, error) from error
    finally:
        if looked is not None:
            progress.end()


def _require_space(file: Part, path: str, transfer: Transfer, piece: int) -> None:
    """Raises Failed before the disk is full."""
    free = file.free()
    if transfer.size is None:
        if free < RESERVE:
            raise _Full(f"{path} has no known length and would fill the disk: {format_size(free)} are left")
    elif transfer.size - transfer.done + piece > free:
        needed = format_size(transfer.size - transfer.done + piece)
        raise _Full(f"{path} needs {needed}, and {format_size(free)} are free on its file system")


class _Full(KimchiError):
    """No mirror helps against it."""
