"""`kimchictl vm wait`"""

import click

from kimchictl.actions.vms.wait_vm import CONDITIONS, wait_for
from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.values import DURATION
from kimchictl.render import View, write_out

REACHED = View(("name", "address"), ("name", "address", "addresses"), name="address")


@click.command(cls=Command)
@name_argument("vm")
@click.argument("condition", metavar="|".join(CONDITIONS), type=click.Choice(CONDITIONS))
@click.option("--timeout", type=DURATION, default="90s", show_default=True, help="How long to wait.")
@pass_app
def wait(app: App, name: str, condition: str, timeout: float) -> None:
    """Wait until a VM runs, is off, has an address, or its agent or ssh answers.

    The address is printed; the others print nothing. One that is off is waited for, too: something may be about to
    start it.

    \b
    Examples:
      kimchictl vm wait web off --timeout 5m
      ssh "root@$(kimchictl vm wait web ip)"
    """
    reached = wait_for(app.host, name, condition, timeout)
    if reached is None:
        return
    if app.format in ("table", "wide"):
        write_out(reached.address + "\n")
    else:
        app.emit(reached, REACHED)
