"""Templates for images that a scan found: each bootable one that has none, copies once, none that was declined.

Declined is an image whose template, made by a scan, somebody deleted: the index remembers it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kimchictl.actions.documents.create_template import Draft, Kept, cdrom_of, draft_from_image, keep_in
from kimchictl.actions.documents.provenance import fingerprint, fingerprint_of, image_of
from kimchictl.catalog.naming import free_name
from kimchictl.catalog.options import Changes
from kimchictl.errors import KimchiError
from kimchictl.media.probe import is_fresh, probe_path
from kimchictl.media.records import Image
from kimchictl.media.scan.index import Index, is_declined

if TYPE_CHECKING:
    from kimchictl.store import FileStore, Listing
    from kimchictl.store.session import Session

NOTHING = Changes()

Declined = Callable[[Image], bool]


@dataclass(slots=True)
class Outcome:
    """What became of the images: templates `kept`, errors met, images `waiting` as they are too new, and `declined`."""

    kept: list[Kept] = field(default_factory=list)
    failures: list[KimchiError] = field(default_factory=list)
    waiting: list[Image] = field(default_factory=list)
    declined: list[Image] = field(default_factory=list)


def decline(index: Index, data: dict[str, Any]) -> bool:
    """Remember the image of a deleted template, if a scan made it, so that the next one does not bring it back."""
    made = data.get("made")
    if not isinstance(made, dict) or made.get("by") != "scan":
        return False
    image, cdrom = image_of(made), data.get("cdrom")
    size, volume_id = image.get("size"), image.get("volume_id")
    index.decline(
        cdrom if isinstance(cdrom, str) else "",
        size if type(size) is int else None,
        volume_id if isinstance(volume_id, str) else None,
    )
    return True


def declined_by(index: Index) -> Declined:
    """Whether a template of an image was declined, as the index has it now."""
    document = index.read()
    return lambda image: is_declined(document, image)


def wanting(images: Iterable[Image], templates: "Listing") -> list[Image]:
    """The bootable images without a template, one of each set of copies, in the order of their locations."""
    named, seen = set(), set()
    for document in templates.documents.values():
        named.add(document.data.get("cdrom") if isinstance(document.data.get("cdrom"), str) else None)
        seen.add(fingerprint_of(document.data.get("made")))
    found = []
    for image in sorted(images, key=lambda image: image.location):
        if not image.bootable or image.error is not None or (mark := fingerprint(image)) in seen:
            continue
        seen.add(mark)
        if image.location not in named and cdrom_of(image) not in named:
            found.append(image)
    return found


def draft_images(
    images: Iterable[Image], templates: "Listing", declined: Declined, changes: Changes, patient: bool = False
) -> tuple[list[tuple[Image, Draft]], Outcome]:
    """A draft for each of `images` that wants a template, and what became of the others.

    Images of this machine are read again: what a scan remembers may be old. With `patient` one that changed in the
    last minute waits for the next time.
    """
    drafts, outcome = [], Outcome()
    for image in wanting(images, templates):
        if declined(image):
            outcome.declined.append(image)
            continue
        try:
            here = image.source in ("file", "device") and image.host is None
            current = probe_path(image.location) if here else image
            if patient and is_fresh(current.mtime):
                outcome.waiting.append(current)
            else:
                drafts.append((current, draft_from_image(current, None, changes, "scan")))
        except KimchiError as error:
            outcome.failures.append(error)
    return drafts, outcome


def templates_for_images(
    store: "FileStore",
    declined: Declined,
    images: Iterable[Image],
    changes: Changes = NOTHING,
    rule: str = "suffix",
    patient: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Make a template for each of `images` that wants one; one that fails costs the others nothing.

    `rule` is what to do where another image's template has the name already. Raises only what concerns all: Locked,
    Failed where the store cannot be written.
    """
    listing = store.read()
    drafts, outcome = draft_images(images, listing, declined, changes, patient)
    if dry_run:
        _preview_all(drafts, set(listing.documents), outcome)
    elif drafts:
        with store.session() as session:
            _keep_all(session, drafts, rule, outcome)
    return outcome


def _keep_all(session: "Session", drafts: list[tuple[Image, Draft]], rule: str, outcome: Outcome) -> None:
    for image, draft in drafts:
        if not wanting([image], session.listing):  # somebody else made it meanwhile
            continue
        try:
            outcome.kept.append(keep_in(session, draft.template, rule))
        except KimchiError as error:
            outcome.failures.append(error)


def _preview_all(drafts: list[tuple[Image, Draft]], taken: set[str], outcome: Outcome) -> None:
    for _image, draft in drafts:
        name = free_name(draft.template.name, taken)
        taken.add(name)
        outcome.kept.append(Kept(replace(draft.template, name=name), "created"))
