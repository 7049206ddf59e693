"""`kimchictl vm show`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.vm.again import again
from kimchictl.commands.vm.views import DETAILS
from kimchictl.virt.domains import show_vm


@click.command(cls=Command)
@name_argument("vm")
@pass_app
def show(app: App, name: str) -> None:
    """Show a VM with its disks, interfaces, snapshots and addresses.

    \b
    Examples:
      kimchictl vm show web
      kimchictl vm show web -o json
    """
    app.emit(again(app, lambda: show_vm(app.host, name)), DETAILS)
