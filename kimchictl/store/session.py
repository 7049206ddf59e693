"""The changes of a store, under its lock. Each is one rename or one unlink: a kill -9 leaves the old state or the new.

Only renaming takes two steps: the new content, which has the new name, replaces the old file; then the file gets its
new name. Between them the file is merely called otherwise than the document in it, and the `name` key counts.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any

from kimchictl import files
from kimchictl.errors import Damaged, Exists, InUse, Invalid, NotFound
from kimchictl.locks import Lock
from kimchictl.store.documents import Document, Layer, Listing, Unfit, decode, encode, file_name, singular
from kimchictl.store.layers import read_bytes

Expected = Document | EllipsisType | None
"""What the caller saw before: a document, None for "there was none", or ... for "whatever there is"."""


class Session:
    """One critical section of a store; of no use once its `with` block is left."""

    def __init__(self, kind: str, layers: Sequence[Layer], lock: Lock, read: Callable[[], Listing]) -> None:
        self._kind, self._noun, self._own, self._lock, self._read = kind, singular(kind), layers[-1], lock, read
        self._listing = read()

    @property
    def listing(self) -> Listing:
        """All documents as they are now."""
        return self._listing

    def find(self, name: str) -> Document | None:
        return self._listing.documents.get(name)

    def get(self, name: str) -> Document:
        """Raises NotFound, or Damaged when the file that should hold it is."""
        return self._listing.get(name)

    def put(self, name: str, data: Mapping[str, Any], expect: Expected = ...) -> Document:
        """Stores `data` as `name`, in one's own layer: over a lower layer's document lies a copy then.

        `expect=None` makes a new one: raises Exists when there is one in any layer. With a document that was read
        earlier, raises InUse when it was changed since, NotFound when it is gone. Raises Invalid for a name or data
        that cannot be stored, Damaged when the file that it would have to replace is, Failed when writing fails.
        """
        current = self._current(name, expect)
        if current is not None and current.layer == self._own:
            return self._rewrite(current, name, data)
        file = self._free_file(name)
        raw = self._encode(name, data)
        files.replace_file(self._path(file), raw)
        return self._note(Document(name, decode(raw), self._own, file, raw, False, current))

    def rename(self, old: str, new: str, data: Mapping[str, Any] | None = None, expect: Expected = ...) -> Document:
        """Gives the document `old` the name `new`, and `data` if given; one that it hid is seen again under `old`.

        Raises as `put` and `delete` do; Exists when there is a document `new`.
        """
        current = self._own_document(old, expect, "renamed")
        data = current.data if data is None else data
        if new == old:
            return self._rewrite(current, new, data)
        if self.find(new):
            raise Exists(f"{self._noun} {new!r} already exists")
        file = current.file if current.listed else self._free_file(new, current)
        document = self._rewrite(current, new, data)
        if file != current.file:
            files.move_file(current.path, self._path(file))
            document = self._note(document._replace(file=file))
        return document

    def delete(self, name: str, expect: Expected = ..., damaged: bool = False) -> Document | None:
        """Removes the document `name` from one's own layer; returns the one that it hid, which counts from now on.

        With `damaged` a file of one's own that is called so and cannot be read is removed, too. Raises NotFound,
        Damaged, InUse (see `put`), and Invalid when it belongs to a lower layer.
        """
        if damaged and (path := self._own_damaged(name)):
            files.remove_file(path)
            self._listing = self._read()
            return self.find(name)
        current = self._own_document(name, expect, "deleted")
        entries = self._entries(current) if current.listed else []
        if current.listed:
            del entries[self._position(current, entries)]
        else:
            self._must_stand(current)
        if entries:
            files.replace_file(current.path, self._fit(name, lambda: encode(entries)))
        else:
            files.remove_file(current.path)
        self._forget(current)
        return self.find(name)

    # -- what is there

    def _current(self, name: str, expect: Expected) -> Document | None:
        if not self._lock.held:
            raise RuntimeError(f"the session of the {self._kind} is over")
        current = self.find(name)
        if expect is None and current is not None:
            raise Exists(f"{self._noun} {name!r} already exists")
        if isinstance(expect, Document):
            if current is None:
                raise NotFound(f"{self._noun} {name!r} was deleted meanwhile")
            if current.stamp != expect.stamp:
                raise self._changed(name)
        return current

    def _changed(self, name: str) -> InUse:
        return InUse(f"{self._noun} {name!r} was changed by somebody else meanwhile", "look at it, then repeat yours")

    def _own_document(self, name: str, expect: Expected, done: str) -> Document:
        current = self._current(name, expect)
        if current is None:
            raise self._listing.missing(name)
        if current.layer != self._own:
            raise Invalid(
                f"{self._noun} {name!r} belongs to {current.layer.path} and cannot be {done}",
                "edit it, and a copy of your own counts from then on",
            )
        return current

    def _own_damaged(self, name: str) -> str | None:
        """The damaged file in one's own layer that would hold `name`, where no file there does."""
        there = self.find(name)
        if there is not None and there.layer == self._own:
            return None
        called_so = [file.path for file in self._listing.damaged if file.name == name]
        return next((path for path in called_so if path == self._path(os.fsencode(os.path.basename(path)))), None)

    def _path(self, file: bytes) -> str:
        return os.path.join(self._own.path, os.fsdecode(file))

    def _free_file(self, name: str, renamed: Document | None = None) -> bytes:
        """A file name for the new document `name` (`renamed` before) that no other file has."""
        wanted = file_name(name)
        if renamed and wanted == renamed.file:
            return wanted
        if not os.path.lexists(self._path(wanted)):
            return wanted
        for damaged in self._listing.damaged:
            if damaged.path == self._path(wanted) and damaged.name == name:
                message = f"{self._noun} {name!r} would replace a damaged file: {damaged}"
                raise Damaged(message, "correct the file, or remove it")
        if self._give_way(wanted):
            return wanted
        for number in range(2, 1000):
            other = wanted.removesuffix(b".json") + b"~%d.json" % number
            if not os.path.lexists(self._path(other)):
                return other
        raise InUse(f"there is no free file name for {self._noun} {name!r} in {self._own.path}")

    def _give_way(self, file: bytes) -> bool:
        """Moves the document in `file`, which is called otherwise (a rename was cut short), to where it belongs."""
        for document in self._listing.documents.values():
            if document.file == file and document.layer == self._own and not document.listed:
                home = file_name(document.name)
                if home == file or os.path.lexists(self._path(home)):
                    return False
                self._must_stand(document)
                files.move_file(document.path, self._path(home))
                self._note(document._replace(file=home))
                return True
        return False

    # -- what is written

    def _encode(self, name: str, data: Mapping[str, Any]) -> bytes:
        return self._fit(name, lambda: encode(_named(name, data)))

    def _fit(self, name: str, encoded: Callable[[], bytes]) -> bytes:
        try:
            return encoded()
        except Unfit as error:
            raise Invalid(f"{self._noun} {name!r} cannot be stored: it {error}") from error

    def _rewrite(self, current: Document, name: str, data: Mapping[str, Any]) -> Document:
        """Puts `data` in the place of `current`, in its file."""
        file_name(name)  # raises Invalid
        raw = stamp = self._encode(name, data)
        if current.listed:
            entries = self._entries(current)
            entries[self._position(current, entries)] = decode(stamp)
            raw = self._fit(name, lambda: encode(entries))
        else:
            self._must_stand(current)
        files.replace_file(current.path, raw)
        self._forget(current)
        below = current.hides if name == current.name else None
        return self._note(Document(name, decode(stamp), self._own, current.file, stamp, current.listed, below))

    def _must_stand(self, document: Document) -> None:
        """Raises InUse when the file is not as it was read: somebody edits by hand, and takes no lock."""
        try:
            stands = read_bytes(document.path) == document.stamp
        except (OSError, Unfit):
            stands = False
        if not stands:
            raise self._changed(document.name)

    def _entries(self, document: Document) -> list[Any]:
        """What the list in the file of `document` holds now. Raises InUse."""
        try:
            entries = decode(read_bytes(document.path))
        except (OSError, Unfit) as error:
            raise self._changed(document.name) from error
        if not isinstance(entries, list):
            raise self._changed(document.name)
        return entries

    def _position(self, document: Document, entries: list[Any]) -> int:
        for number, entry in enumerate(entries):
            if isinstance(entry, dict) and entry.get("name") == document.name and encode(entry) == document.stamp:
                return number
        raise self._changed(document.name)

    # -- the listing follows

    def _note(self, document: Document) -> Document:
        self._listing.documents[document.name] = document
        return document

    def _forget(self, document: Document) -> None:
        """Takes it out of the listing; what it hid, or a second file of the same name, comes to light."""
        if any(damaged.name == document.name for damaged in self._listing.damaged):
            self._listing = self._read()
        elif document.hides:
            self._listing.documents[document.name] = document.hides
        else:
            del self._listing.documents[document.name]


def _named(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "name": name} if "name" in data else {"name": name, **data}
