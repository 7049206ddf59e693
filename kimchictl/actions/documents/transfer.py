"""Documents out of a store and into one: files that other hosts read. Provenance stays behind, unknown keys do not."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kimchictl.actions.documents.provenance import made
from kimchictl.catalog.nouns import Noun
from kimchictl.catalog.parse import to_document
from kimchictl.catalog.records import Template
from kimchictl.errors import Failed, Invalid, NotFound
from kimchictl.files import failed, make_directory, replace_file
from kimchictl.store import Document, file_name
from kimchictl.store.documents import LARGEST_FILE, Unfit, decode, encode
from kimchictl.store.layers import read_bytes

_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Found:
    """One document that is offered: `source` says where it stands, for messages."""

    source: str
    data: Any


def exported(noun: Noun, document: Document) -> dict[str, Any]:
    """What another host may have of a document. Raises Damaged."""
    return to_document(noun.read(document), provenance=False)


def export_to_directory(directory: str, data: dict[str, Any], overwrite: bool) -> str:
    """Write one document as a file of its own; the path. Raises Invalid when it is there already, Failed."""
    make_directory(directory)
    path = os.path.join(directory, os.fsdecode(file_name(data["name"])))
    if os.path.lexists(path) and not overwrite:
        raise Invalid(f"{path} already exists", "give another directory, or --overwrite")
    replace_file(path, encode(data))
    return path


def export_text(documents: list[dict[str, Any]], several: bool) -> str:
    """One object, or an array where there can be `several`."""
    return json.dumps(documents if several else documents[0], indent=2, ensure_ascii=False) + "\n"


def sources(path: str) -> list[str]:
    """The files that `path` stands for: itself, or the .json files of a directory in the order of their names.

    Raises NotFound, Failed.
    """
    if not os.path.isdir(path):
        if not os.path.lexists(path):
            raise NotFound(f"{path}: no such file or directory")
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(_SUFFIX) and not name.startswith("."))
    except OSError as error:
        raise failed("read the directory", path, error) from None
    return [os.path.join(path, name) for name in names]


def read_source(path: str) -> Iterator[Found]:
    """The documents in a file: one object, or a list of them. Raises NotFound, Failed, Invalid."""
    try:
        raw = read_bytes(path)
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file") from None
    except OSError as error:
        raise failed("read", path, error) from None
    except Unfit as error:
        raise Invalid(f"{path} {error}") from None
    return documents_in(raw, path)


def documents_in(raw: bytes, source: str) -> Iterator[Found]:
    """The documents in `raw`. Raises Invalid."""
    if len(raw) > LARGEST_FILE:
        raise Invalid(f"{source} is larger than 1 MiB")
    try:
        value = decode(raw)
    except Unfit as error:
        raise Invalid(f"{source} {error}") from None
    if isinstance(value, list):
        return (Found(f"{source}, entry {number}", entry) for number, entry in enumerate(value, 1))
    return iter([Found(source, value)])


def imported(noun: Noun, found: Found, keep_provenance: bool) -> Template:
    """The record in what was offered. Raises Invalid naming the file."""
    name = found.data.get("name") if isinstance(found.data, dict) else None
    try:
        template = noun.parse(found.data, name if isinstance(name, str) else "")
    except Invalid as error:
        raise Invalid(f"{found.source}: {error}", error.hint) from None
    return replace(template, made=made("import") if keep_provenance else None)


def write_file(path: str, text: str) -> None:
    """Write an export to one file. Raises Failed."""
    if os.path.isdir(path):
        raise Failed(f"cannot write {path}: it is a directory", "give it as --directory")
    replace_file(path, text.encode())
