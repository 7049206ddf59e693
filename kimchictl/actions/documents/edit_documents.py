"""Changing what is kept: edit by options or in an editor, rename, clone, delete. Templates and distros alike.

Options are laid over the document inside the store's lock. An editor runs outside of it: what the user changed is then
laid over the document as it is by then, and refused where somebody else changed the same key.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from kimchictl.actions.documents.editor import edit_document
from kimchictl.catalog.merge import merge, rebase
from kimchictl.catalog.naming import clone_name
from kimchictl.catalog.nouns import Noun
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import differences, refuse_new_keys, to_document
from kimchictl.catalog.records import Template
from kimchictl.errors import Damaged, InUse, Invalid
from kimchictl.store import Document, FileStore
from kimchictl.store.session import Session

Difference = tuple[str, Any, Any]


@dataclass(frozen=True, slots=True)
class Edited:
    """`template` as it is now, and what differs from before: (key, old, new)."""

    template: Template
    differences: list[Difference]


def edit_by_options(store: FileStore, noun: Noun, name: str, changes: Changes, dry_run: bool = False) -> Edited:
    """Lay `changes` (a new `name` among them renames) over the document `name`, in one critical section.

    Raises NotFound, Damaged, Invalid, Exists, Locked.
    """
    if dry_run:
        return _merged(store.get(name), noun, changes)
    with store.session() as session:
        document = session.get(name)
        edited = _merged(document, noun, changes)
        if edited.differences:
            _keep(session, document, edited.template)
        return edited


def _merged(document: Document, noun: Noun, changes: Changes) -> Edited:
    before = noun.read(document)
    after = merge(before, changes, noun.what(document.name), noun.record)
    return Edited(after, differences(to_document(before), to_document(after)))


def _keep(session: Session, document: Document, template: Template) -> None:
    if template.name == document.name:
        session.put(document.name, to_document(template))
    else:
        session.rename(document.name, template.name, to_document(template))


def edit_in_editor(store: FileStore, noun: Noun, name: str, dry_run: bool = False) -> Edited | None:
    """Let the user edit the document as it is stored, even one that breaks a rule; None when nothing was changed.

    Raises what `edit_by_options` does, Failed when the editor fails, InUse when others changed the same key meanwhile.
    """
    document = store.get(name)

    def accept(data: Any) -> Edited:
        refuse_new_keys(data, document.data, noun.what(name), noun.record)
        wanted = noun.parse(data, name)
        if dry_run:
            return Edited(wanted, differences(_normal(noun, document), to_document(wanted)))
        return _rebased(store, noun, document, to_document(wanted))

    return edit_document(document.data, noun.what(name), accept)


def _rebased(store: FileStore, noun: Noun, seen: Document, wanted: dict[str, Any]) -> Edited:
    with store.session() as session:
        current = session.get(seen.name)
        before = _normal(noun, current)
        data, conflicts = rebase(_normal(noun, seen), wanted, before)
        if conflicts:
            keys = ", ".join(conflicts)
            raise InUse(f"{noun.what(seen.name)} was changed by somebody else meanwhile: {keys}", "edit it again")
        template = noun.parse(data, seen.name)
        _keep(session, current, template)
        return Edited(template, differences(before, to_document(template)))


def _normal(noun: Noun, document: Document) -> dict[str, Any]:
    """The document as we would have written it; as it is where it breaks a rule."""
    try:
        return to_document(noun.read(document))
    except Damaged:
        return document.data


def clone_document(
    store: FileStore, noun: Noun, name: str, new_name: str | None, made: dict[str, Any] | None
) -> Template:
    """The same under `new_name`, or the first free NAME-cloneN. Raises NotFound, Damaged, Exists, Invalid, Locked."""
    with store.session() as session:
        template = noun.read(session.get(name))
        if new_name is None:
            new_name = clone_name(name, taken_names(session))
        provenance = None if made is None else {**(template.made or {}), **made}
        clone = replace(noun.parse({**to_document(template), "name": new_name}, new_name), made=provenance)
        session.put(new_name, to_document(clone), expect=None)
        return clone


def taken_names(session: Session) -> set[str]:
    """The names of documents, and those of damaged files: a document of that name would have to replace the file."""
    return {*session.listing.documents, *(file.name for file in session.listing.damaged if file.name)}


def delete_document(
    store: FileStore, name: str, on_delete: Callable[[dict[str, Any]], object] = bool
) -> Document | None:
    """Remove the document from one's own layer; returns the one of a lower layer that counts from now on.

    `on_delete` gets what it held, unless its file was damaged. Raises NotFound, Invalid for a lower layer's, Locked.
    """
    with store.session() as session:
        there = session.find(name)
        uncovered = session.delete(name, damaged=True)
    if there is not None and there.layer == store.own:  # else the file of one's own was damaged
        on_delete(there.data)
    return uncovered


def new_name(text: str, noun: Noun) -> str:
    """A name as it was typed, without the blanks around it. Raises Invalid for none at all."""
    name = text.strip()
    if not name:
        raise Invalid(f"{noun.word} name {text!r} is blank")
    return name
