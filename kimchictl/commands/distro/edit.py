"""`kimchictl distro edit`"""

from dataclasses import replace

import click

from kimchictl.actions.documents.edit_documents import Edited, edit_by_options, edit_in_editor, new_name
from kimchictl.app import App
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.catalog.options import Changes
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.distro.options import distro_options
from kimchictl.commands.template.views import say_differences


@click.command(cls=Command)
@name_argument("distro")
@click.option("--name", "wanted", metavar="NEW", help="A new name.")
@click.option(
    "--url",
    metavar="URL",
    shell_complete=complete("source"),
    help="Another address of the image; it is not asked: see distro check.",
)
@distro_options
@click.option("--dry-run", is_flag=True, help="Show the difference, and change nothing.")
@pass_app
def edit(app: App, name: str, wanted: str | None, url: str | None, changes: Changes, dry_run: bool) -> None:
    """Change a distribution by options, or in your editor.

    What a package brought stays as it is: a copy of this site's own, which counts from then on, is changed.

    \b
    Examples:
      kimchictl distro edit debian-12 --memory 4G
      kimchictl distro edit debian-12
    """
    values = dict(changes.values)
    if wanted is not None:
        values["name"] = new_name(wanted, NOUN)
    if url is not None:
        values["cdrom"] = url
    changes = replace(changes, values=values)
    edited: Edited | None
    if changes:
        edited = edit_by_options(app.distros, NOUN, name, changes, dry_run)
    else:
        edited = edit_in_editor(app.distros, NOUN, name, dry_run)
    if edited is None or not edited.differences:
        app.note(f"distro {name!r} is unchanged")
    else:
        say_differences(app, f"distro {name!r}", edited.differences, dry_run)
