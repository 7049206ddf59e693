"""`kimchictl vm edit`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.virt import power


@click.command(cls=Command)
@name_argument("vm")
@click.option("--name", "wanted", metavar="NEW", required=True, help="A new name; the VM must be off.")
@pass_app
def edit(app: App, name: str, wanted: str) -> None:
    """Change a VM.

    \b
    Examples:
      kimchictl vm edit web --name web-server
    """
    power.rename(app.host, name, wanted)
    app.note(f"vm {name!r} is now {wanted!r}")
