"""What the scans found: one document, replaced whole; and beside it, of each place, the stamps of its directories.

    STATE_DIR/scan/          as root 2750 and group libvirt, so that its files are that group's; a user's own is 0700
      images                 every place and its images: what `iso list` reads, without a lock; see the module document
      stamps-PLACE-ID        the directories of one place; worth only time, see the module stamps. The document
                             names the one that belongs to it, so that a scan that dies leaves a matching pair
      .lock                  held while the document is read, changed and replaced
      .place-PLACE           held by the scan of that place from its beginning to its end

File names that are not UTF-8 are kept with surrogate escapes (PEP 383), which JSON writes as \\udcXX: what is read back
names the same file.
"""

import contextlib
import grp
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kimchictl import files
from kimchictl.errors import Damaged, Failed
from kimchictl.locks import Lock
from kimchictl.media.records import Image
from kimchictl.media.scan.changes import rows_of
from kimchictl.media.scan.document import GROUP, LIMIT, Document, read_document, to_bytes
from kimchictl.media.scan.entries import Row, changed, to_images
from kimchictl.media.scan.stamps import Stamps, decode
from kimchictl.query import natural

_NAME = "images"


class Found(NamedTuple):
    """What a listing found, by location and in their natural order; `notes` name what could not be read.

    `details` are for who wants to know more: who has images of his own need not hear each time that root's are not his.
    """

    rows: dict[str, Row]
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(to_images(self.rows.values()))


class Index:
    """The index in `state_dirs`, lowest layer first: all are read, the last one is written."""

    def __init__(self, state_dirs: Sequence[str], lock_timeout: float = 10.0) -> None:
        self.directories = tuple(os.path.join(path, "scan") for path in state_dirs)
        self.own = self.directories[-1]
        self.lock_timeout = lock_timeout
        self._notes: list[str] = []

    def images(self, host: str | None = None) -> Found:
        """The images of `host` in all layers; of one location the nearest layer's, and a pool's before a tree's."""
        parts, notes, refused = list[dict[str, Row]](), [], []
        for directory in self.directories:
            try:
                document = read_document(os.path.join(directory, _NAME))
            except Damaged as error:
                notes.append(str(error))
                continue
            except Failed as error:
                refused.append(str(error))
                continue
            places = sorted(document.places.items(), key=lambda item: item[0].startswith("pool:"))
            found = [rows_of(place.entries) for _name, place in places if place.host == host]
            if directory != self.own and host is None:
                found = [{path: _for_caller(path, row) for path, row in rows.items()} for rows in found]
            parts += found
        rows = _in_order(parts)
        return Found(rows, tuple(notes), tuple(refused)) if rows else Found(rows, (*notes, *refused))

    def read(self) -> Document:
        """One's own document. A damaged one is set aside, which `take_notes` tells, and is empty. Raises Failed."""
        path = os.path.join(self.own, _NAME)
        try:
            return read_document(path)
        except Damaged as error:
            self._set_aside(path, error)
            return Document()

    def take_notes(self) -> tuple[str, ...]:
        """What there was to say since the last time."""
        notes, self._notes = tuple(self._notes), []
        return notes

    @contextlib.contextmanager
    def session(self) -> Iterator[Document]:
        """A transaction: the document to change, written if the block ends without an error. Raises Locked, Failed."""
        self.make_directory()
        with Lock(os.path.join(self.own, ".lock"), "the scan index", self.lock_timeout):
            document = self.read()
            yield document
            files.replace_file(os.path.join(self.own, _NAME), to_bytes(document), 0o640)

    def place_lock(self, place: str) -> Lock:
        """The lock that keeps two scans of `place` apart."""
        self.make_directory()
        return Lock(os.path.join(self.own, f".place-{short_name(place)}"), f"the scan of {place!r}", self.lock_timeout)

    def load_stamps(self, place: str, identity: str) -> Stamps | None:
        """The directory stamps of `place` that the document names; None if they are gone or damaged."""
        try:
            with open(self._stamps_path(place, identity), "rb") as file:
                return decode(file.read(LIMIT))
        except (OSError, Damaged):
            return None  # they save time and hold nothing that a full scan does not find

    def save_stamps(self, place: str, identity: str | None, content: bytes | None) -> None:
        """Write what `load_stamps` is to give, in a session and before its end; the former stay beside it."""
        if identity is not None and content is not None:
            files.replace_file(self._stamps_path(place, identity), content, 0o640)

    def sweep_stamps(self, place: str, identity: str | None) -> None:
        """Remove the stamps of `place` that the document does not name any more."""
        current = os.path.basename(self._stamps_path(place, identity or ""))
        prefix = current.rpartition("-")[0] + "-"
        for name in os.listdir(self.own):
            if name.startswith(prefix) and name != current:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.own, name))

    def _stamps_path(self, place: str, identity: str) -> str:
        return os.path.join(self.own, f"stamps-{short_name(place)}-{os.path.basename(identity)}")

    def make_directory(self) -> None:
        """Make one's own directory, open to the group libvirt where root makes it. Raises Failed."""
        if os.path.isdir(self.own):
            return
        files.make_directory(os.path.dirname(self.own))
        try:
            os.mkdir(self.own, 0o700)
            if os.geteuid() == 0:
                with contextlib.suppress(KeyError):  # no such group: root's alone
                    os.chown(self.own, 0, grp.getgrnam(GROUP).gr_gid)
                    os.chmod(self.own, 0o2750)  # noqa: S103 - the group reads, and new files are the group's
        except FileExistsError:
            return
        except OSError as error:
            raise files.failed("make the directory", self.own, error) from error

    def forget(self, paths: Iterable[str], host: str | None = None) -> list[str]:
        """Drop the images of `host` at `paths` or below them; the locations dropped."""
        wanted = tuple(path.rstrip("/") for path in paths)
        dropped = set()
        with self.session() as document:
            for place in document.places.values():
                if place.host != host:
                    continue
                for path in [path for path in place.entries if _is_below(path, wanted)]:
                    del place.entries[path]
                    place.stamps = None  # the next scan looks again, should it still be there
                    dropped.add(path)
            for name in [name for name in document.places if _is_below(name, wanted)]:
                del document.places[name]
        return sorted(dropped)

    def decline(self, location: str, size: int | None, volume_id: str | None) -> None:
        """Make no more templates of this image by itself: an admin deleted the one that a scan had made."""
        with self.session() as document:
            document.declined.add((location, size, volume_id))

    def _set_aside(self, path: str, error: Damaged) -> None:
        aside = f"{path}.damaged"
        self._notes.append(f"{error}; it was set aside as {aside}, and this scan makes a new one")
        with contextlib.suppress(OSError):
            os.replace(path, aside)


def is_declined(document: Document, image: Image) -> bool:
    """Was a template of this image deleted: of this very file, or of one with the same size and volume id?"""
    return any(
        (image.size, image.volume_id) == (size, volume_id) and (volume_id or location == image.location)
        for location, size, volume_id in document.declined
    )


def short_name(place: str) -> str:
    """A file name for `place`."""
    return digest(os.fsencode(place))


def stamps_id(content: bytes) -> str:
    """What the document calls these stamps."""
    return digest(content)


def digest(content: bytes) -> str:
    """Two checksums in one; not against an enemy, who could write the files themselves."""
    return f"{zlib.crc32(content):08x}{zlib.adler32(content):08x}"


def _is_below(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(top + "/") for top in tops)


def _for_caller(path: str, row: Row) -> Row:
    """The row of an image that somebody else scanned."""
    return row if os.access(path, os.R_OK) else changed(row, readable=False)


def _in_order(parts: list[dict[str, Row]]) -> dict[str, Row]:
    """All of `parts`, each of which is in order; of one location the last one's."""
    parts = [part for part in parts if part]
    ends = sorted((natural(next(iter(part))), natural(next(reversed(part))), at) for at, part in enumerate(parts))
    if all(one[1] < other[0] for one, other in pairwise(ends)):  # as mostly, which spares ten thousand keys
        return {path: row for _, _, at in ends for path, row in parts[at].items()}
    merged = {path: row for part in parts for path, row in part.items()}
    return {path: merged[path] for path in sorted(merged, key=natural)}
