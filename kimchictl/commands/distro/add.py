"""`kimchictl distro add`"""

import click

from kimchictl.actions.documents.edit_documents import new_name
from kimchictl.actions.documents.known_distros import add_distro, draft_distro
from kimchictl.app import App
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.catalog.options import Changes
from kimchictl.commands.base import Command, ca_file_option, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.distro.options import distro_options
from kimchictl.commands.distro.views import DISTROS, row
from kimchictl.commands.template.views import prober


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--url",
    metavar="URL",
    required=True,
    shell_complete=complete("source"),
    help="Where the image is; a path or pool:POOL/VOLUME does, too.",
)
@click.option("--no-check", is_flag=True, help="Do not ask the server.")
@distro_options
@ca_file_option
@click.option("--dry-run", is_flag=True, help="Say what would be added, and add nothing.")
@pass_app
def add(app: App, name: str, url: str, no_check: bool, changes: Changes, dry_run: bool) -> None:
    """Add a distribution of this site's own, from a URL.

    The image is looked at, its system is named, and the settings it recommends are filled in.

    \b
    Examples:
      kimchictl distro add house-linux --url https://mirror.example/house.iso --os-distro debian --os-version 12
      kimchictl distro add house --url https://mirror.example/a.iso --os-distro debian --os-version 12 --no-check
    """
    title = new_name(name, NOUN)
    distro = draft_distro(title, url, changes, None if no_check else prober(app))
    if not dry_run:
        add_distro(app.distros, distro)
    app.note(f"distro {title!r} {'would be added' if dry_run else 'added'}")
    if app.format not in ("table", "wide"):
        app.emit(row(distro, app.distros.own.origin), DISTROS)
