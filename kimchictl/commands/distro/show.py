"""`kimchictl distro show`"""

import click

from kimchictl.actions.documents.known_distros import find_distro
from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.distro.views import DISTROS, row
from kimchictl.render import write_json


@click.command(cls=Command)
@name_argument("distro")
@click.option("--stored", is_flag=True, help="The file, as it is.")
@pass_app
def show(app: App, name: str, stored: bool) -> None:
    """Show a known distribution.

    \b
    Examples:
      kimchictl distro show debian-12
      kimchictl distro show debian-12 --stored -o json
    """
    if stored:
        write_json(app.distros.get(name).data)
    else:
        app.emit(row(*find_distro(app.distros, name)), DISTROS)
