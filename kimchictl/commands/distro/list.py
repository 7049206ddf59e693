"""`kimchictl distro list`"""

import os

import click

from kimchictl.actions.documents.show_templates import readable
from kimchictl.app import App
from kimchictl.catalog.distros import is_hidden, runs_on
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.distro.views import DISTROS, row


@click.command("list", cls=Command)
@click.option("--all-arch", is_flag=True, help="Those of other architectures, too.")
@click.option("--all", "everything", is_flag=True, help="The image links of the installed osinfo-db, too.")
@list_options
@pass_app
def list_(app: App, all_arch: bool, everything: bool) -> None:
    """List known distributions that this host runs.

    \b
    Examples:
      kimchictl distro list --filter os_distro=debian
      kimchictl distro list --all-arch -o json
      kimchictl distro list --all --filter origin=osinfo-db
    """
    here = os.uname().machine
    listing = app.distros.read()
    found = readable(listing, NOUN, app.note)
    shown = [(distro, document.origin) for document, distro in found if not is_hidden(distro)]
    if everything:
        from kimchictl.actions.documents.osinfo_distros import ORIGIN, osinfo_distros

        shown += [(distro, ORIGIN) for distro in osinfo_distros(listing.documents)]
    wanted = [(distro, origin) for distro, origin in shown if all_arch or runs_on(distro.os_arch, here)]
    app.emit_list([row(distro, origin) for distro, origin in wanted], DISTROS)
