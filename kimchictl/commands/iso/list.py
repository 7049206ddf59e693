"""`kimchictl iso list`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.iso.views import DUPLICATES, emit_images
from kimchictl.commands.several import on_hosts


@click.command("list", cls=Command)
@click.option("--duplicates", is_flag=True, help="Images that are there more than once; reads those that look alike.")
@list_options
@pass_app
@on_hosts()
def list_(app: App, duplicates: bool) -> None:
    """List what the last scans found; no image is opened.

    With --duplicates: copies of the same image, and the bytes that are free when all but one of them go. What looks
    alike by its labels and size is then read whole.

    \b
    Examples:
      kimchictl iso list
      kimchictl iso list --duplicates -o json
      kimchictl iso list --filter os_distro=debian --filter 'size>=1G' --sort -size
    """
    found = app.index.images(app.remote_host)
    for note in found.notes:
        app.note(note)
    for detail in found.details:
        app.detail(detail)
    if duplicates:
        from kimchictl.actions.images.duplicates import find_duplicates

        app.emit_list(find_duplicates(found.images, app.progress), DUPLICATES)
        return
    from kimchictl.actions.images.listing import ImageRows

    emit_images(app, ImageRows(found.rows, app.templates))
