"""`kimchictl volume fetch`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, ca_file_option, pass_app
from kimchictl.commands.volume.views import clean_up, emit_made, pool_argument
from kimchictl.errors import without_password


@click.command(cls=Command)
@pool_argument
@click.argument("url")
@click.option("--name", metavar="NAME", help="What to call the volume; by default as the URL calls it.")
@click.option("--checksum", metavar="SUM", help="sha256:HEX, or the URL of a sums file that names the image.")
@click.option("--mirror", "mirrors", metavar="URL", multiple=True, help="Another URL of the same image.")
@ca_file_option
@pass_app
def fetch(app: App, pool_name: str, url: str, name: str | None, checksum: str | None, mirrors: tuple[str, ...]) -> None:
    """Fetch an image from the network into a pool.

    A broken connection is taken up where it broke; a checksum is verified; on failure nothing is left. What the pool
    has already is not fetched again.

    \b
    Examples:
      kimchictl volume fetch default https://mirror.example/debian-12.5.0-amd64-netinst.iso
      kimchictl volume fetch default ftp://mirror.example/a.iso --name debian.iso --checksum sha256:6013...
    """
    from kimchictl.actions.images.fetch import file_name_of
    from kimchictl.actions.storage.fetch_volume import fetch_volume, part_name
    from kimchictl.media.remote import net_settings

    net, addresses = net_settings(app.config), (url, *mirrors)
    clean_up(app, pool_name, but=part_name(name if name is not None else file_name_of(url)))
    with app.task(f"fetch of {without_password(url)} into pool {pool_name}", app.remote_host) as progress:
        made = fetch_volume(app.host, pool_name, addresses, checksum, net, name, progress, app.places.own_state)
    if made.fetched.fetched:
        proof = "verified" if made.fetched.verified else "no checksum was given"
        app.note(f"volume {made.volume.name!r} fetched into pool {pool_name!r} ({proof})")
    emit_made(app, made.volume)
