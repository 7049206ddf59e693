"""`kimchictl pool`"""

import os

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, missing_ok_option, name_argument, names_argument, pass_app
from kimchictl.render import View

POOLS = View(
    columns=("name", "state", "type", "capacity", "allocation", "available", "volumes", "autostart", "error"),
    keys=(
        "name", "state", "type", "path", "active", "autostart", "persistent", "capacity", "allocation", "available",
        "volumes", "used_by", "stale", "error",
    ),
    wide=("path", "persistent", "stale", "used_by"),
)  # fmt: skip


@click.group(cls=Group)
def pool() -> None:
    """Storage pools, refreshed whenever they are listed."""


@pool.command("list")
@list_options
@pass_app
def list_(app: App) -> None:
    """List storage pools, each refreshed if it answers in time (pool.timeout).

    One that does not is shown with its last known content, marked stale, and costs the others nothing.

    \b
    Examples:
      kimchictl pool list
      kimchictl pool list --filter active=true -o name
    """
    from kimchictl.actions.storage import list_pools
    from kimchictl.actions.usage import template_users

    found = list_pools(app.host, app.config["pool.timeout"], template_users(app.templates))
    for each in found:
        if each.stale:
            app.note(f"pool {each.name!r} is shown as it was at its last refresh: {each.error}")
    app.emit_list(found, POOLS)


@pool.command()
@name_argument("pool")
@pass_app
def show(app: App, name: str) -> None:
    """Show a storage pool.

    \b
    Examples:
      kimchictl pool show default -o json
    """
    from kimchictl.actions.storage import list_pools
    from kimchictl.actions.usage import template_users

    found = list_pools(app.host, app.config["pool.timeout"], template_users(app.templates), (name,))
    app.emit(found[0], POOLS)


@pool.command()
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(("dir",)), default="dir", show_default=True, help="What it lies on.")
@click.option("--path", metavar="P", required=True, help="Its directory, which is made if need be.")
@click.option("--start", is_flag=True, help="Start it at once.")
@click.option("--no-autostart", is_flag=True, help="Do not start it with the host.")
@pass_app
def create(app: App, name: str, kind: str, path: str, start: bool, no_autostart: bool) -> None:
    """Make a storage pool. What already lies in its directory becomes its volumes.

    \b
    Examples:
      kimchictl pool create isos --type dir --path /srv/isos --start
    """
    from kimchictl.virt.pools import create_pool

    create_pool(app.host, name, os.path.abspath(path), start, not no_autostart)
    app.note(f"pool {name!r} created{' and started' if start else f'; start it with kimchictl pool start {name}'}")


@pool.command()
@name_argument("pool")
@click.option("--autostart/--no-autostart", required=True, default=None, help="Start it with the host, or not.")
@pass_app
def edit(app: App, name: str, autostart: bool) -> None:
    """Change a storage pool.

    \b
    Examples:
      kimchictl pool edit isos --no-autostart
    """
    from kimchictl.virt.pools import set_autostart

    set_autostart(app.host, name, autostart)
    app.note(f"pool {name!r} {'starts' if autostart else 'does not start'} with the host")


@pool.command()
@names_argument("pool")
@pass_app
def start(app: App, names: tuple[str, ...]) -> int:
    """Start storage pools."""
    from kimchictl.virt.pools import start_pool

    def one(name: str) -> None:
        app.note(f"pool {name!r} {'started' if start_pool(app.host, name) else 'is already active'}")

    return app.each(names, one)[1]


@pool.command()
@names_argument("pool")
@pass_app
def stop(app: App, names: tuple[str, ...]) -> int:
    """Stop storage pools; what is in them stays."""
    from kimchictl.virt.pools import stop_pool

    def one(name: str) -> None:
        app.note(f"pool {name!r} {'stopped' if stop_pool(app.host, name) else 'is already inactive'}")

    return app.each(names, one)[1]


@pool.command()
@names_argument("pool")
@missing_ok_option
@pass_app
def delete(app: App, names: tuple[str, ...], missing_ok: bool) -> int:
    """Forget the definitions of inactive storage pools; their directories and what is in them stay.

    One that a VM or a template uses is refused.
    """
    from kimchictl.actions.storage import delete_pool
    from kimchictl.actions.usage import template_users

    users = template_users(app.templates)

    def one(name: str) -> None:
        delete_pool(app.host, name, app.config["pool.timeout"], users)
        app.note(f"pool {name!r} deleted; what is in it stays")

    return app.each(names, one, missing_ok)[1]
