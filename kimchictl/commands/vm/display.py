"""`kimchictl vm display`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.files import replace_file
from kimchictl.render import View, visible, write_out
from kimchictl.virt.domain.display import find_display, viewer_file

DISPLAY = View(("name", "uri"), ("name", "type", "uri", "host", "port", "tls_port", "socket"), sort=None)


@click.command(cls=Command)
@name_argument("vm")
@click.option(
    "--file",
    "path",
    metavar="FILE.vv|-",
    shell_complete=complete("file"),
    help="Write a file that virt-viewer opens; - for stdout.",
)
@pass_app
def display(app: App, name: str, path: str | None) -> None:
    """Show where a viewer finds a VM's display.

    \b
    Examples:
      remote-viewer "$(kimchictl vm display web)"
      kimchictl vm display web --file web.vv
    """
    found = find_display(app.host, name)
    if path is not None:
        text = viewer_file(found)
        if path == "-":
            write_out(text)
        else:
            replace_file(path, text.encode(), 0o600)
            app.note(f"display of vm {name!r} written to {path}")
        return
    if app.format in ("table", "wide"):
        write_out(visible(found.uri or found.socket or "") + "\n")
    else:
        app.emit(found, DISPLAY)
