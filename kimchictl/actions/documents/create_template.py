"""A template from an image, a known distro, or nothing but options; put into the store in one critical section.

draft_from_source   SOURCE is probed, named, and its system's recommendations filled in
draft_from_distro   the link, mirrors and checksum of a known distro
draft_for_netboot   no medium
keep                look whether the name is free, and store
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kimchictl.actions.documents.edit_documents import taken_names
from kimchictl.actions.documents.editor import edit_document
from kimchictl.actions.documents.provenance import image_of, made
from kimchictl.actions.images.sources import split_source
from kimchictl.catalog.merge import merge
from kimchictl.catalog.naming import free_name, system_name
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import parse, refuse_new_keys, to_document
from kimchictl.catalog.records import Template
from kimchictl.catalog.templates import (
    from_distro,
    from_image,
    identity_of,
    recommend,
    require_installable,
    suggested_name,
)
from kimchictl.errors import Damaged, Exists, Failed, Invalid, NotFound
from kimchictl.media.naming.settings import Settings, settings_for
from kimchictl.media.records import Identity, Image

if TYPE_CHECKING:
    from kimchictl.store import FileStore
    from kimchictl.store.session import Session

Prober = Callable[[str], Image]
"""Reads the image that a SOURCE names."""

IF_EXISTS = ("fail", "skip", "replace", "suffix")


@dataclass(frozen=True, slots=True)
class Draft:
    """A template not stored yet; `named` whether somebody chose its name. `notes` are sentences for a person."""

    template: Template
    named: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """`template` as it is stored, and what was `done`: created, replaced, or skipped (it was there already)."""

    template: Template
    done: str


def draft_from_source(source: str, name: str | None, changes: Changes, probe: Prober, check: bool = True) -> Draft:
    """The template of the image that `source` names. Without `check` the image is not looked at and may be missing.

    Raises NotFound, Invalid (no image, not bootable, a rule broken), Failed, HostError.
    """
    if not check:
        return _draft_unseen(source, name, changes)
    try:
        image = probe(source)
    except NotFound as error:
        if "/" not in source and "://" not in source:
            raise Invalid(f"{source!r} is neither a file, nor pool:POOL/VOLUME, nor a URL", error.hint) from None
        raise
    except Damaged as error:
        raise Invalid(str(error), error.hint) from None
    draft = draft_from_image(image, name, changes, "create", cdrom_of(image, source))
    link = split_source(source)[0] == "path" and os.path.abspath(source) != image.location
    return replace(draft, notes=(f"{source} leads to {image.location}, which the template names",)) if link else draft


def draft_from_image(image: Image, name: str | None, changes: Changes, by: str, cdrom: str | None = None) -> Draft:
    """The template of an image that was read. Raises Invalid."""
    require_installable(image)
    settings = settings_for(_said(identity_of(image), changes), image.boot)
    title = name if name is not None else _suggested(image, changes)
    template = from_image(image, settings, title, cdrom or cdrom_of(image), changes, made(by, image))
    notes = (_unknown_note(template), memory_note(template, settings), _firmware_note(template, image))
    return Draft(template, name is not None, tuple(note for note in notes if note))


def _unknown_note(template: Template) -> str | None:
    """That nobody knows which system it is, and so what it needs."""
    if "unknown" not in (template.os_distro, template.os_version):
        return None
    what = "system" if template.os_distro == "unknown" else "version"
    return f"the {what} on {template.cdrom} is not known: say it with --os-distro and --os-version"


def memory_note(template: Template, settings: Settings) -> str | None:
    """That the template has less memory than its system asks for."""
    if template.memory is None or template.memory >= settings.min_memory:
        return None
    system = f"{template.os_distro} {template.os_version}"
    return f"memory {template.memory} MiB is below what {system} asks for: {settings.min_memory} MiB"


def system_settings(template: Template) -> Settings:
    """What the system that a template names recommends."""
    return settings_for(Identity(template.os_distro, template.os_version, template.os_arch))


def _firmware_note(template: Template, image: Image) -> str | None:
    if not image.boot or template.firmware in (None, *image.boot):
        return None
    return f"image {image.location} boots by {' and '.join(image.boot)}, and firmware is {template.firmware}"


def cdrom_of(image: Image, source: str = "") -> str:
    """What a template calls an image: a volume by its pool, so that it is found on the host; else its location."""
    if image.source == "pool" and image.pool and image.volume:
        return f"pool:{image.pool}/{image.volume}"
    return source if "://" in source else image.location


def _said(identity: Identity, changes: Changes) -> Identity:
    """`identity`, as far as options do not know better."""
    said = {key: changes.values[key] for key in ("os_distro", "os_version", "os_arch") if changes.values.get(key)}
    if "os_distro" in said:
        identity = identity._replace(os_variant=None, edition=None)
    return identity._replace(**said)


def _suggested(image: Image, changes: Changes) -> str:
    identity = identity_of(image)
    said = _said(identity, changes)
    return suggested_name(image) if said == identity else system_name(said, image.volume_id or "", image.location)


def _draft_unseen(source: str, name: str | None, changes: Changes) -> Draft:
    kind, _ = split_source(source)
    cdrom = os.path.abspath(source) if kind == "path" else source
    identity = _said(Identity(), changes)
    title = name if name is not None else system_name(identity, "", cdrom)
    bare = merge(Template(title, cdrom=cdrom), changes, f"template {title!r}")
    note = _unknown_note(bare)
    draft = recommend(bare, settings_for(identity), made("create"))
    return Draft(draft, name is not None, (note,) if note else ())


def draft_from_distro(
    distro: Template, name: str | None, changes: Changes, ask: Callable[[Template], Image] | None
) -> Draft:
    """The template of a known distro: its own settings first, then those of its system.

    `ask` finds its image; None does not look. Raises Invalid, and what `ask` raises.
    """
    image = None if ask is None else ask(distro)
    if image is not None:
        require_installable(image)
    said = _said(Identity(distro.os_distro, distro.os_version, distro.os_arch), changes)
    title = name if name is not None else system_name(said, distro.name, distro.cdrom or "")
    template = from_distro(distro, title, changes, made("distro"))
    template = recommend(template, settings_for(said, image.boot if image else ()), made("distro", image))
    return Draft(template, name is not None, _doubts(distro, image) if image else ())


def _doubts(distro: Template, image: Image) -> tuple[str, ...]:
    from kimchictl.actions.documents.distro_check import contradiction

    wrong = contradiction(distro, image)
    return (f"the image of distro {distro.name!r} is not what the entry claims: {wrong}",) if wrong else ()


def draft_for_netboot(name: str | None, changes: Changes) -> Draft:
    """A template without a medium: the guest boots from the network. Raises Invalid."""
    identity = _said(Identity(), changes)
    title = name if name is not None else "netboot" if identity == Identity() else system_name(identity, "", "")
    bare = merge(Template(title), changes, f"template {title!r}")
    return Draft(recommend(bare, settings_for(identity), made("create")), name is not None)


def keep(store: "FileStore", draft: Draft, if_exists: str | None = None) -> Kept:
    """Store a draft. For a name that is taken `if_exists` counts; by default fail where it was chosen, else suffix.

    Raises Exists, Damaged, Invalid, Locked, Failed.
    """
    rule = if_exists or ("fail" if draft.named else "suffix")
    with store.session() as session:
        return keep_in(session, draft.template, rule)


def keep_in(session: "Session", template: Template, rule: str) -> Kept:
    """`keep` in a session that is open; `rule` is one of IF_EXISTS."""
    name, taken = template.name, taken_names(session)
    if rule == "suffix":
        name = free_name(name, taken)
    there = session.find(name)
    if there is not None and rule == "skip":
        return Kept(parse(there.data, f"template {name!r}"), "skipped")
    if there is not None and rule != "replace":
        raise Exists(f"template {name!r} already exists", "choose another name, or --if-exists skip, replace or suffix")
    template = replace(template, name=name)
    session.put(name, to_document(template))
    return Kept(template, "replaced" if there is not None else "created")


def preview(store: "FileStore", draft: Draft, if_exists: str | None = None) -> Kept:
    """What `keep` would do now, without doing it and without the lock."""
    listing = store.read()
    rule = if_exists or ("fail" if draft.named else "suffix")
    taken: dict[str, Any] = {**listing.documents}
    name = free_name(draft.template.name, taken) if rule == "suffix" else draft.template.name
    if name in taken and rule == "fail":
        raise Exists(f"template {name!r} already exists", "choose another name, or --if-exists skip, replace or suffix")
    done = "created" if name not in taken else "skipped" if rule == "skip" else "replaced"
    return Kept(replace(draft.template, name=name), done)


def edit_draft(draft: Draft, note: Callable[[str], None]) -> Draft:
    """The draft as the user leaves it in the editor; as it was where the editor fails or nothing is changed.

    Raises Invalid for what breaks a rule, without a terminal to open it again on.
    """
    document = to_document(draft.template)
    what = f"template {draft.template.name!r}"

    def accept(data: Any) -> Template:
        refuse_new_keys(data, document, what)
        return parse(data, what)

    try:
        edited = edit_document(document, what, accept)
    except Failed as error:
        note(f"{error}: stored as it was")
        return draft
    if edited is None:
        return draft
    return replace(draft, template=edited, named=draft.named or edited.name != draft.template.name)


def retarget(changes: Changes, source: str, probe: Prober, check: bool, was: dict[str, Any] | None) -> Changes:
    """`changes` with the image that `source` names as the new medium; `was` is the template's provenance.

    Raises what `draft_from_source` does.
    """
    draft = draft_from_source(source, "x", Changes(), probe, check)
    provenance = {**(was or {}), "image": image_of(draft.template.made)}
    return replace(changes, values={**changes.values, "cdrom": draft.template.cdrom, "made": provenance})
