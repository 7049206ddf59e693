"""`kimchictl volume create`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.volume.views import DISK_SIZE, clean_up, emit_made, pool_argument

FORMATS = ("qcow2", "raw", "vmdk", "qcow", "qed", "vpc")


@click.command(cls=Command)
@pool_argument
@click.argument("name")
@click.option("--size", "-s", type=DISK_SIZE, metavar="SIZE", help="Like 20G; a bare number is GiB.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Its format; qcow2 if not given.")
@click.option(
    "--backing",
    metavar="VOLUME",
    shell_complete=complete("source"),
    help="What lies below it: a volume of POOL, pool:POOL/VOLUME, or a path.",
)
@pass_app
def create(app: App, pool_name: str, name: str, size: int | None, form: str | None, backing: str | None) -> None:
    """Make an empty volume, or one upon another.

    With --backing it only holds what differs from another.

    It takes no room before something is written to it. What backs it must not change any more.

    \b
    Examples:
      kimchictl volume create default data.qcow2 --size 20G
      kimchictl volume create default web.qcow2 --backing golden.qcow2
    """
    from kimchictl.actions.storage.volume_changes import create_volume

    clean_up(app, pool_name)
    made = create_volume(app.host, pool_name, name, size, form, backing, app.places.own_state)
    app.note(f"volume {made.name!r} created in pool {pool_name!r}")
    emit_made(app, made)
