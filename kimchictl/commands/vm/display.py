"""`kimchictl vm display`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.render import View, visible, write_out
from kimchictl.virt.display import find_display

DISPLAY = View(
    ("name", "uri"), ("name", "type", "uri", "host", "port", "tls_port", "socket"), sort=None
)


@click.command(cls=Command)
@name_argument("vm")
@pass_app
def display(app: App, name: str) -> None:
    """Show where a viewer finds a VM's display.

    \b
    Examples:
      remote-viewer "$(kimchictl vm display web)"
    """
    found = find_display(app.host, name)
    if app.format in ("table", "wide"):
        write_out(visible(found.uri or found.socket or "") + "\n")
    else:
        app.emit(found, DISPLAY)
