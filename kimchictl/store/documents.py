"""A document of a store: its record, its bytes, its file's name.

A listing whose contents are all known decodes nothing, so json is imported where something is.

A file holds one JSON object (RFC 8259), or a list of them. The `name` key is the document's name, whatever the file is
called. What a stranger may have put there is refused with a reason, never guessed at: keys given twice, NaN, more than
1 MiB, more than 64 levels, text that is not UTF-8.
"""

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kimchictl.errors import Damaged, Invalid, KimchiError, NotFound, did_you_mean

if TYPE_CHECKING:
    from json import JSONDecoder

LARGEST_FILE = 1 << 20
DEEPEST = 64
LONGEST_NAME = 200
"""In bytes, as a file name without its ending: what a file system holds is 255."""

SUFFIX = b".json"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Layer(NamedTuple):
    """A directory of documents; `origin` is how `list` calls it; only the last layer of a store can be `writable`."""

    path: str
    origin: str
    writable: bool


class Document(NamedTuple):
    """`file` is the file's name in the layer's directory; `decoded` what is in it, None when nobody has looked yet.

    `stamp` is the content as it was read: two documents with the same stamp are the same version. `listed` tells that
    the file holds a list; `hides` is the document of a lower layer that this one overrides.
    """

    name: str
    decoded: dict[str, Any] | None
    layer: Layer
    file: bytes
    stamp: bytes
    listed: bool = False
    hides: "Document | None" = None

    @property
    def data(self) -> dict[str, Any]:
        """The whole JSON object, unknown keys included."""
        if self.decoded is not None:
            return self.decoded
        value: dict[str, Any] = decode(self.stamp)
        return value

    @property
    def path(self) -> str:
        return os.path.join(self.layer.path, os.fsdecode(self.file))

    @property
    def origin(self) -> str:
        return self.layer.origin


class DamagedFile(NamedTuple):
    """A file, an entry of one, or a directory that could not be read: "PATH REASON" is a sentence.

    `name` is the name it would have, as far as one can tell.
    """

    path: str
    reason: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


class Listing(NamedTuple):
    """The documents of a store at one moment, by name and in the order of the names; and what could not be read."""

    kind: str
    documents: dict[str, Document]
    damaged: tuple[DamagedFile, ...] = ()

    def get(self, name: str) -> Document:
        """Raises NotFound, or Damaged when the file that should hold it is."""
        if document := self.documents.get(name):
            return document
        raise self.missing(name)

    def missing(self, name: str) -> KimchiError:
        """Why there is no document `name`, to be raised."""
        noun = singular(self.kind)
        for file in self.damaged:
            if file.name == name:
                return Damaged(f"{noun} {name!r} cannot be used: {file}", "correct the file, or remove it")
        listing = f"kimchictl {'iso ' if noun == 'rule' else ''}{noun} list shows those there are"
        return NotFound(f"no {noun} {name!r}", did_you_mean(name, self.documents, listing))


def singular(kind: str) -> str:
    """How one document of the store `kind` is called: "template" of "templates"."""
    return kind.removesuffix("s")


class Unfit(ValueError):
    """Why bytes are no document, for a sentence that starts with the path: "is not JSON: ..."."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unfit(f"has the key {twice!r} twice")
    return value


def _constant(text: str) -> float:
    raise Unfit(f"is not JSON: {text} is no number")


def _float(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise Unfit(f"has the number {text[:40]}, which is out of range")
    return value


@cache
def _decoder() -> "JSONDecoder":
    import json

    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def decode(raw: bytes) -> Any:
    """The JSON value in `raw`. Raises Unfit."""
    if len(raw) > LARGEST_FILE:
        raise Unfit("is larger than 1 MiB")
    if raw.startswith(_BYTE_ORDER_MARK):  # RFC 8259 section 8.1 lets a reader ignore it
        raw = raw[len(_BYTE_ORDER_MARK) :]
    try:
        value = _decoder().decode(raw.decode())
        if b"\\u" in raw:
            import json

            json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError, ValueError) as error:
        raise _unfit(error, raw) from error
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and _deeper(value, DEEPEST):
        raise Unfit(f"is nested more than {DEEPEST} levels deep")
    return value


def _unfit(error: Exception, raw: bytes) -> Unfit:
    import json

    if isinstance(error, Unfit):
        return error
    if isinstance(error, json.JSONDecodeError):
        if not raw.strip():
            return Unfit("is empty")
        return Unfit(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    if isinstance(error, UnicodeDecodeError):
        return Unfit(f"is not UTF-8 at byte {error.start}")
    if isinstance(error, UnicodeEncodeError):
        return Unfit("has half of a surrogate pair in a string")
    if isinstance(error, RecursionError):
        return Unfit(f"is nested more than {DEEPEST} levels deep")
    return Unfit("has a number with too many digits")  # sys.get_int_max_str_digits


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def encode(value: Any) -> bytes:
    """`value` as it is stored: UTF-8, indented by two, the keys in their order. Raises Unfit as `decode` would."""
    import json

    try:
        raw = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise Unfit("has half of a surrogate pair in a string") from error
    except RecursionError as error:
        raise Unfit(f"is nested more than {DEEPEST} levels deep") from error
    except ValueError as error:
        raise Unfit("has a number that cannot be written") from error
    decode(raw)
    return raw


_AWKWARD = rb"^\.|[/\0%]"
_ENCODED = rb"%([0-9A-Fa-f]{2})"


def file_name(name: str) -> bytes:
    """The name of the file of the document `name`: only what a file's name cannot hold is percent-encoded.

    A dot in front is encoded too, since such files are not documents. Raises Invalid for an empty name and a long one.
    """
    try:
        stem = re.sub(_AWKWARD, lambda match: b"%%%02X" % match[0][0], name.encode())
    except UnicodeEncodeError as error:
        raise Invalid(f"name {name!r} has half of a surrogate pair") from error
    if not name.strip():
        raise Invalid(f"name {name!r} is empty", "give it a name that can be seen")
    if len(stem) > LONGEST_NAME:
        raise Invalid(f"name {name[:20]!r}... takes {len(stem)} bytes, and {LONGEST_NAME} is the limit")
    return stem + SUFFIX


def name_of_file(file: bytes) -> str:
    """The name which the document in `file` has, unless its `name` key says otherwise."""
    stem = file.removesuffix(SUFFIX)
    return re.sub(_ENCODED, lambda match: bytes([int(match[1], 16)]), stem).decode("utf-8", "replace")


def check_entry(value: Any) -> str:
    """The name of the document which `value`, decoded JSON, is. Raises Unfit."""
    if type(value) is not dict:
        raise Unfit("is not a JSON object")
    name = value.get("name")
    if type(name) is not str or not name.strip():
        raise Unfit("has no name: the key 'name' is missing, empty or not a text")
    if len(name) > LONGEST_NAME // 4:  # four bytes is the longest that a character can take
        try:
            file_name(name)
        except Invalid as error:
            raise Unfit(f"has a {error}") from error
    return name
