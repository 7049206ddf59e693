"""`kimchictl template edit`"""

from dataclasses import replace
from typing import Any

import click

from kimchictl.actions.documents.bases import fit_bases
from kimchictl.actions.documents.create_template import memory_note, retarget, system_settings
from kimchictl.actions.documents.edit_documents import Edited, edit_by_options, edit_in_editor, new_name
from kimchictl.actions.documents.host_names import check_memory, check_names
from kimchictl.app import App
from kimchictl.catalog.merge import merge
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.options import Changes
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.template.options import template_options
from kimchictl.commands.template.views import emit_kept, prober, say_differences


@click.command(cls=Command)
@name_argument("template")
@click.option("--name", "wanted", metavar="NEW", help="A new name.")
@click.option(
    "--cdrom",
    metavar="SOURCE",
    shell_complete=complete("source"),
    help="Another image: a path, pool:POOL/VOLUME or a URL.",
)
@click.option("--no-check", is_flag=True, help="Do not look at the image: it may come later.")
@template_options
@click.option("--dry-run", is_flag=True, help="Show the difference, and change nothing.")
@pass_app
def edit(
    app: App, name: str, wanted: str | None, cdrom: str | None, no_check: bool, changes: Changes, dry_run: bool
) -> None:
    """Change a template by options, or in your editor.

    Without an option the stored JSON is opened in VISUAL or EDITOR, and again after a mistake. A template of a package
    or of the site is not changed: a copy of one's own, which counts from then on, is.

    \b
    Examples:
      kimchictl template edit web --memory 4G --max-memory 8G
      kimchictl template edit web --disk 0,size=40G
      kimchictl template edit web --name web-server
    """
    if wanted is not None:
        changes = _with(changes, name=new_name(wanted, NOUN))
    if not changes and cdrom is None:
        _report(app, name, edit_in_editor(app.templates, NOUN, name, dry_run), dry_run)
        return
    template = NOUN.read(app.templates.get(name))
    if cdrom is not None:
        changes = retarget(changes, cdrom, prober(app), not no_check, template.made)
    if app.remote_host is None and not no_check:
        changes = fit_bases(changes, template, app.note)
    check_names(lambda: app.host, changes, app.note)
    if app.host_uri is not None and {"memory", "max_memory"} & set(changes.values):
        check_memory(lambda: app.host, merge(template, changes, NOUN.what(name)), app.note)
    _report(app, name, edit_by_options(app.templates, NOUN, name, changes, dry_run), dry_run)


def _with(changes: Changes, **values: Any) -> Changes:
    return replace(changes, values={**changes.values, **values})


def _report(app: App, name: str, edited: Edited | None, dry_run: bool) -> None:
    if edited is None or not edited.differences:
        app.note(f"template {name!r} is unchanged")
    else:
        say_differences(app, f"template {name!r}", edited.differences, dry_run)
    if edited is not None:
        if note := memory_note(edited.template, system_settings(edited.template)):
            app.note(note)
        emit_kept(app, [edited.template], False)
