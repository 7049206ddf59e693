"""`kimchictl iso forget`."""

import os

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, expand_names, missing_ok_option, pass_app
from kimchictl.commands.completing import complete
from kimchictl.errors import NotFound


@click.command(cls=Command)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, callback=expand_names, shell_complete=complete("image")
)
@missing_ok_option
@pass_app
def forget(app: App, paths: tuple[str, ...], missing_ok: bool) -> int:
    """Drop entries of images that are gone from what is listed.

    PATH is an image's location, or a directory: then all below it. A later scan finds again what is still there.

    \b
    Examples:
      kimchictl iso forget /mnt/old-disk
      kimchictl iso forget /srv/iso/debian-11.iso /srv/iso/debian-10.iso
    """

    def drop(path: str) -> None:
        dropped = app.index.forget([path, os.path.abspath(path)], app.remote_host)
        if not dropped:
            raise NotFound(f"no image at or below {path!r} is known", "kimchictl iso list shows what is")
        app.note(f"{len(dropped)} {'entry' if len(dropped) == 1 else 'entries'} dropped below {path}")

    return app.each(paths, drop, missing_ok)[1]
