"""`kimchictl iso list`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.iso.views import IMAGES


@click.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App) -> None:
    """List what the last scans found; no image is opened.

    \b
    Examples:
      kimchictl iso list
      kimchictl iso list --filter os_distro=debian --filter 'size>=1G' --sort -size
    """
    from kimchictl.actions.usage import used_by_templates

    found = app.index.images(app.remote_host)
    for note in found.notes:
        app.note(note)
    app.emit_list(used_by_templates(found.images, app.templates), IMAGES)
