"""`kimchictl template create`"""

from dataclasses import replace
from functools import partial
from shlex import quote

import click

from kimchictl.actions.documents.bases import fit_bases
from kimchictl.actions.documents.create_template import (
    IF_EXISTS,
    Draft,
    Kept,
    draft_for_netboot,
    draft_from_distro,
    draft_from_source,
    edit_draft,
    keep,
    preview,
)
from kimchictl.actions.documents.edit_documents import new_name
from kimchictl.actions.documents.from_disk import draft_from_disk, find_disk
from kimchictl.actions.documents.from_scan import declined_by, templates_for_images
from kimchictl.actions.documents.host_names import check_memory, check_names
from kimchictl.actions.documents.image_writers import refuse_written
from kimchictl.actions.documents.known_distros import find_distro
from kimchictl.app import App, exit_status
from kimchictl.catalog.distros import is_hidden
from kimchictl.catalog.nouns import TEMPLATES
from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Template
from kimchictl.commands.base import Command, ca_file_option, filter_option, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.commands.template.options import template_options
from kimchictl.commands.template.views import asker, emit_kept, images_of_host, prober
from kimchictl.errors import NotFound, UsageError
from kimchictl.media.records import Image
from kimchictl.query import plain, select


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option(
    "--cdrom",
    metavar="SOURCE",
    multiple=True,
    shell_complete=complete("source"),
    help="An image: a path, pool:POOL/VOLUME or a URL.",
)
@click.option("--distro", metavar="NAME", multiple=True, shell_complete=complete("distro"), help="A known distro.")
@click.option("--from-scan", is_flag=True, help="Every bootable image that a scan found and that has no template.")
@click.option(
    "--image",
    metavar="DISK",
    shell_complete=complete("source"),
    help="A disk image of an installed system: it backs the disk, and is never written.",
)
@click.option(
    "--from-vm", metavar="VM", shell_complete=complete("vm"), help="A VM that is off: its disks are copied into a pool."
)
@click.option(
    "--backing",
    metavar="PATH",
    multiple=True,
    shell_complete=complete("file"),
    help="A file that the header of --image may name.",
)
@click.option("--netboot", is_flag=True, help="No image: the guest boots from the network.")
@filter_option()
@template_options
@click.option("--edit", is_flag=True, help="Look it over in your editor before it is stored.")
@click.option("--no-check", is_flag=True, help="Do not look at the image: it may come later.")
@ca_file_option
@click.option("--if-exists", type=click.Choice(IF_EXISTS), help="What to do when the name is taken.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@yes_option
@pass_app
def create(
    app: App,
    name: str | None,
    cdrom: tuple[str, ...],
    distro: tuple[str, ...],
    from_scan: bool,
    image: str | None,
    from_vm: str | None,
    backing: tuple[str, ...],
    netboot: bool,
    filter: tuple[str, ...],
    changes: Changes,
    edit: bool,
    no_check: bool,
    if_exists: str | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Make templates of images, of known distros, or of nothing.

    The system on an image is named, and what it recommends is taken where no option says otherwise. Without NAME a
    template is called after its system: debian-12, debian-12-2.

    \b
    Examples:
      kimchictl template create --cdrom debian-12.5.0-amd64-netinst.iso
      kimchictl template create web --cdrom pool:isos/debian.iso --memory 2G --disk size=40G
      kimchictl template create --from-scan --filter os_distro=debian
      kimchictl template create web --from-vm web
    """
    one = (image is not None) + (from_vm is not None) + netboot
    if bool(cdrom) + bool(distro) + one + from_scan != 1:
        kinds = "--cdrom, --distro, --image, --from-vm, --from-scan and --netboot"
        raise UsageError(f"a template is made from one of {kinds}", "give one kind")
    sources = len(cdrom) + len(distro) + one
    if (name is not None or edit) and (from_scan or sources > 1):
        raise UsageError(f"{'NAME' if name is not None else '--edit'} needs exactly one source given by hand")
    if filter and not from_scan:
        raise UsageError("--filter goes with --from-scan")
    if backing and image is None:
        raise UsageError("--backing goes with --image")
    if app.remote_host is None and not no_check:
        changes = fit_bases(changes, None, app.note)
    check_names(lambda: app.host, changes, app.note)
    if from_scan:
        if if_exists == "replace" and not dry_run:
            app.confirm("replacing templates that exist", yes)
        return _create_from_scan(app, filter, changes, if_exists, dry_run)
    title = None if name is None else new_name(name, TEMPLATES)

    def make(source: str) -> Kept:
        if from_vm is not None:
            return _create_from_vm(app, from_vm, title, changes, edit, if_exists, dry_run, yes)
        if cdrom:
            draft = draft_from_source(source, title, changes, prober(app), not no_check)
        elif distro:
            draft = draft_from_distro(_distro(app, source), title, changes, None if no_check else asker(app))
        elif image is not None:
            look = None if no_check else partial(refuse_written, lambda: app.host, note=app.note)
            found = find_disk(image, lambda: app.host, app.remote_host is not None)
            draft = draft_from_disk(image, found, title, changes, backing, look)
        else:
            draft = draft_for_netboot(title, changes)
        draft = edit_draft(draft, app.note) if edit else draft
        if app.host_uri is not None:
            check_memory(lambda: app.host, draft.template, app.note)
        return _keep(app, draft, if_exists, dry_run, yes)

    kept, status = app.each(cdrom or distro or ("",), make)
    _say(app, kept, dry_run)
    emit_kept(app, [one.template for one in kept], sources > 1)
    return status


def _distro(app: App, name: str) -> Template:
    distro, _ = find_distro(app.distros, name)
    if is_hidden(distro):
        raise NotFound(f"distro {name!r} is hidden", f"kimchictl distro remove {name!r} brings it back")
    return distro


def _create_from_vm(
    app: App, vm: str, name: str | None, changes: Changes, edit: bool, if_exists: str | None, dry_run: bool, yes: bool
) -> Kept:
    from kimchictl.actions.documents.from_vm import draft_from_vm, keep_from_vm

    installed = draft_from_vm(app.host, vm, name, changes)
    draft = edit_draft(installed.draft, app.note) if edit else installed.draft
    _prepare(app, draft, if_exists, dry_run, yes)
    if dry_run:
        return preview(app.templates, draft, if_exists)
    with app.task(f"copy of vm {installed.vm} for template {draft.template.name}", app.host.uri) as progress:
        chosen = replace(installed, draft=draft)
        return keep_from_vm(app.host, app.templates, chosen, if_exists, progress, app.places.own_state)


def _keep(app: App, draft: Draft, if_exists: str | None, dry_run: bool, yes: bool) -> Kept:
    _prepare(app, draft, if_exists, dry_run, yes)
    return preview(app.templates, draft, if_exists) if dry_run else keep(app.templates, draft, if_exists)


def _prepare(app: App, draft: Draft, if_exists: str | None, dry_run: bool, yes: bool) -> None:
    """Say what there is to say of a draft, and ask before it replaces a template."""
    for note in draft.notes:
        app.note(note)
    if if_exists == "replace" and not dry_run and draft.template.name in app.templates.read().documents:
        app.confirm(f"replacing template {draft.template.name!r}", yes)


def _create_from_scan(
    app: App, filters: tuple[str, ...], changes: Changes, if_exists: str | None, dry_run: bool
) -> int:
    images = {image.location: image for image in images_of_host(app)}
    chosen = select([plain(image) for image in images.values()], filters, Image._fields)
    rule = "suffix" if if_exists is None else if_exists
    outcome = templates_for_images(
        app.templates,
        declined_by(app.index),
        [images[row["location"]] for row in chosen],
        changes,
        rule,
        dry_run=dry_run,
    )
    for failure in outcome.failures:
        app.report(failure)
    _say(app, outcome.kept, dry_run)
    if outcome.declined:
        for image in outcome.declined:
            again = f"kimchictl template create --cdrom {quote(image.location)}"
            app.note(f"{image.location} is left out, as its template was deleted: {again} makes one again")
    elif not outcome.kept and not outcome.failures:
        app.note("every bootable image that was found has a template" if chosen else "no image was found: scan first")
    emit_kept(app, [one.template for one in outcome.kept], True)
    statuses = [failure.exit_status for failure in outcome.failures]
    return exit_status(len(outcome.kept) + len(statuses), statuses)


def _say(app: App, kept: list[Kept], dry_run: bool) -> None:
    for one in kept:
        done = f"would be {one.done}" if dry_run else "already exists: skipped" if one.done == "skipped" else one.done
        app.note(f"template {one.template.name!r} {done}")
