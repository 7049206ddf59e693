"""`kimchictl distro list`"""

import os

import click

from kimchictl.actions.show_templates import readable
from kimchictl.app import App
from kimchictl.catalog.distros import is_hidden, runs_on
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.distro.views import DISTROS, row


@click.command("list", cls=Command)
@click.option("--all-arch", is_flag=True, help="Those of other architectures, too.")
@list_options
@pass_app
def list_(app: App, all_arch: bool) -> None:
    """List known distributions that this host runs.

    \b
    Examples:
      kimchictl distro list --filter os_distro=debian
      kimchictl distro list --all-arch -o json
    """
    here = os.uname().machine
    found = readable(app.distros.read(), NOUN, app.note)
    shown = [(document, distro) for document, distro in found if not is_hidden(distro)]
    wanted = [(document, distro) for document, distro in shown if all_arch or runs_on(distro.os_arch, here)]
    app.emit_list([row(distro, document.origin) for document, distro in wanted], DISTROS)
