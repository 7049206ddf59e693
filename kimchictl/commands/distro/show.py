"""`kimchictl distro show`"""

import click

from kimchictl.app import App
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.distro.views import DISTROS, row
from kimchictl.render import write_json


@click.command(cls=Command)
@name_argument("distro")
@click.option("--stored", is_flag=True, help="The file, as it is.")
@pass_app
def show(app: App, name: str, stored: bool) -> None:
    """Show a known distribution."""
    document = app.distros.get(name)
    if stored:
        write_json(document.data)
    else:
        app.emit(row(NOUN.read(document), document.origin), DISTROS)
