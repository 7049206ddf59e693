"""`kimchictl vm screenshot`"""

import sys

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.errors import UsageError
from kimchictl.files import replace_file
from kimchictl.render.terminal import binary_out
from kimchictl.virt.domain.display import screenshot as take


@click.command(cls=Command)
@name_argument("vm")
@click.option(
    "--file",
    "path",
    metavar="FILE.png|-",
    shell_complete=complete("file"),
    help="Where to save it; NAME.png by default, - for stdout.",
)
@pass_app
def screenshot(app: App, name: str, path: str | None) -> None:
    """Save a picture of a VM's screen.

    \b
    Examples:
      kimchictl vm screenshot web
      kimchictl vm screenshot web --file - > web.png
    """
    if path == "-" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a picture does not go to a terminal", "redirect it, or give --file FILE.png")
    if path == "-":
        with binary_out(f"a picture of vm {name!r}") as output:
            output.write(take(app.host, name)[1])
        return
    kind, picture = take(app.host, name)
    suffix = ".png" if kind == "image/png" else ".ppm"
    path = path or name.replace("/", "-") + suffix
    replace_file(path, picture)
    app.note(f"screen of vm {name!r} saved to {path}" + ("" if path.endswith(suffix) else f" as {kind}"))
