"""`kimchictl vm console`"""

import sys

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.render.terminal import binary_out


@click.command(cls=Command)
@name_argument("vm")
@click.option("--force", is_flag=True, help="Take it over from whoever has it.")
@pass_app
def console(app: App, name: str, force: bool) -> None:
    """Attach to a VM's serial console; Ctrl-] ends it.

    In a pipe, standard input goes to the guest, and what it writes comes out until it is off.

    \b
    Examples:
      kimchictl vm console web
      kimchictl vm console web < /dev/null > web.log
    """
    show_console(app, name, force, resumed=False)


def show_console(app: App, name: str, force: bool, resumed: bool) -> None:
    """The console on standard output; said on a terminal how to leave it."""
    from kimchictl.virt.domain.console import attach
    from kimchictl.virt.domain.power import require_running

    require_running(app.host, name, "looked at through its console")  # whatever standard output is
    with binary_out(f"the console of vm {name!r}") as output:
        if sys.stdin is not None and sys.stdin.isatty():
            app.note(f"the console of vm {name!r}: Ctrl-] ends it")
        attach(app.host, name, output, force, resumed)
