"""`kimchictl volume`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import (
    Group,
    Parsed,
    ca_file_option,
    complete,
    list_options,
    missing_ok_option,
    pass_app,
    yes_option,
)
from kimchictl.render import View
from kimchictl.units import GIB, parse_size

VOLUMES = View(
    columns=("name", "pool", "format", "capacity", "allocation", "used_by", "os_distro", "os_version"),
    keys=(
        "name", "pool", "type", "format", "path", "capacity", "allocation", "backing", "used_by", "os_distro",
        "os_version", "bootable",
    ),
    wide=("type", "path", "backing", "bootable"),
)  # fmt: skip

FORMATS = ("qcow2", "raw", "vmdk", "qcow", "qed", "vpc")
DISK_SIZE = Parsed("size", lambda text: parse_size(text, bare=GIB))

_POOL = click.argument("pool_name", metavar="POOL", shell_complete=complete("pool"))


@click.group(cls=Group)
def volume() -> None:
    """Storage volumes: disks and images in storage pools."""


@volume.command("list")
@click.argument("pool_names", metavar="[POOL]...", nargs=-1, shell_complete=complete("pool"))
@list_options
@pass_app
def list_(app: App, pool_names: tuple[str, ...]) -> int:
    """List the volumes of storage pools, by default of all that are active.

    \b
    Examples:
      kimchictl volume list default
      kimchictl volume list --filter format=iso
    """
    from kimchictl.actions.storage import list_volumes
    from kimchictl.actions.usage import template_users
    from kimchictl.virt.pools import names

    users = template_users(app.templates)
    found, status = app.each(
        pool_names or names(app.host, active_only=True),
        lambda name: list_volumes(app.host, name, app.config["pool.timeout"], users),
    )
    if found or not status:
        app.emit_list([each for volumes in found for each in volumes], VOLUMES)
    return status


@volume.command()
@_POOL
@click.argument("name")
@pass_app
def show(app: App, pool_name: str, name: str) -> None:
    """Show a volume.

    \b
    Examples:
      kimchictl volume show default web.qcow2
    """
    from kimchictl.actions.storage import show_volume
    from kimchictl.actions.usage import template_users

    app.emit(show_volume(app.host, pool_name, name, template_users(app.templates)), VOLUMES)


@volume.command()
@_POOL
@click.argument("name")
@click.option("--size", "-s", type=DISK_SIZE, metavar="SIZE", required=True, help="Like 20G; a bare number is GiB.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="qcow2", show_default=True, help="Its format.")
@pass_app
def create(app: App, pool_name: str, name: str, size: int, form: str) -> None:
    """Make an empty volume.

    \b
    Examples:
      kimchictl volume create default data.qcow2 --size 20G
    """
    from kimchictl.actions.storage import create_volume

    made = create_volume(app.host, pool_name, name, size, form)
    app.note(f"volume {made.name!r} created in pool {pool_name!r}")
    if app.format not in ("table", "wide"):
        app.emit(made, VOLUMES)


@volume.command()
@_POOL
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
    from kimchictl.actions.fetch_volume import fetch_volume
    from kimchictl.media.remote import net_settings

    net, addresses = net_settings(app.config), (url, *mirrors)
    made = fetch_volume(app.host, pool_name, addresses, checksum, net, name, app.progress)
    if made.fetched.fetched:
        proof = "verified" if made.fetched.verified else "no checksum was given"
        app.note(f"volume {made.volume.name!r} fetched into pool {pool_name!r} ({proof})")
    if app.format not in ("table", "wide"):
        app.emit(made.volume, VOLUMES)


@volume.command()
@_POOL
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, pool_name: str, names: tuple[str, ...], missing_ok: bool, yes: bool) -> int:
    """Delete volumes with what is in them. One that a VM, a template or another volume needs is refused.

    \b
    Examples:
      kimchictl volume delete default old.qcow2
    """
    from kimchictl.actions.storage import delete_volume, require_unused, show_volume
    from kimchictl.actions.usage import template_users

    users = template_users(app.templates)

    def one(name: str) -> None:
        found = show_volume(app.host, pool_name, name, users)
        require_unused(app.host, found)
        app.confirm(f"deleting volume {name!r} of pool {pool_name!r}", yes)
        delete_volume(app.host, found)
        app.note(f"volume {name!r} of pool {pool_name!r} deleted")

    return app.each(names, one, missing_ok)[1]
