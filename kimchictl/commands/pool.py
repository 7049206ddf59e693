"""`kimchictl pool`"""

import os
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from kimchictl.app import App
from kimchictl.commands.base import (
    Group,
    list_options,
    missing_ok_option,
    name_argument,
    names_argument,
    pass_app,
    yes_option,
)
from kimchictl.commands.completing import complete
from kimchictl.commands.several import on_hosts
from kimchictl.errors import UsageError
from kimchictl.render import View, visible, write_out
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.actions.storage.edit_pool import EditedPool
    from kimchictl.virt.storage.poolxml import PoolPlan

TYPES = ("dir", "fs", "netfs", "logical", "iscsi", "rbd")

POOLS = View(
    columns=("name", "state", "type", "capacity", "allocation", "available", "volumes", "autostart", "error"),
    keys=(
        "name", "state", "type", "path", "active", "autostart", "persistent", "capacity", "allocation", "available",
        "volumes", "used_by", "templates", "stale", "error", "source", "reachable",
    ),
    wide=("path", "persistent", "stale", "used_by"),
    first="kimchictl pool create default --type dir --path PATH --start",
)  # fmt: skip
EDITED = View(("name", "diff"), ("name", "diff"), sort=None)


@click.group(cls=Group)
def pool() -> None:
    """Storage pools, refreshed whenever they are listed."""


@pool.command("list")
@list_options
@pass_app
@on_hosts()
def list_(app: App) -> None:
    """List storage pools, each refreshed if it answers in time (pool.timeout).

    One that does not is shown with its last known content, marked stale, and costs the others nothing.

    \b
    Examples:
      kimchictl pool list
      kimchictl pool list --filter active=true -o name
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.storage.listing import list_pools

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
      kimchictl pool show default
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.storage.listing import list_pools

    found = list_pools(app.host, app.config["pool.timeout"], template_users(app.templates), (name,))
    app.emit(found[0], POOLS)


def _source_options(function: Any) -> Any:
    """What tells libvirt where a pool lies; see kimchictl.virt.storage.poolxml for which type takes what."""
    options = (
        click.option(
            "--path",
            metavar="P",
            shell_complete=complete("directory"),
            help="Its directory, made if need be; or where its devices appear.",
        ),
        click.option("--source-host", "hosts", metavar="HOST[:PORT]", multiple=True, help="Server; rbd takes several."),
        click.option("--source-path", metavar="P", help="The directory that the server exports."),
        click.option(
            "--source-dev",
            "devices",
            metavar="DEV",
            multiple=True,
            shell_complete=complete("file"),
            help="Device, or name of an iSCSI target.",
        ),
        click.option("--source-name", metavar="NAME", help="Volume group, or Ceph pool."),
        click.option("--source-format", metavar="F", help="Format of the source, like ext4, xfs, nfs, cifs."),
        click.option("--auth-user", "user", metavar="NAME", help="User name for the server."),
        click.option("--secret-uuid", metavar="UUID", help="The libvirt secret with the password."),
        click.option("--secret-usage", metavar="USAGE", help="The same, by its usage."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _plan(app: App, given: dict[str, Any]) -> "PoolPlan":
    from kimchictl.virt.storage.poolxml import PoolPlan

    if given["path"] and app.remote_host is None:
        given = {**given, "path": os.path.abspath(given["path"])}
    return PoolPlan(**given)


@pool.command()
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(TYPES), default="dir", show_default=True, help="What it lies on.")
@_source_options
@click.option("--start", is_flag=True, help="Start it at once.")
@click.option("--autostart/--no-autostart", default=True, show_default=True, help="Start it with the host, or not.")
@pass_app
def create(app: App, name: str, kind: str, start: bool, autostart: bool, **source: Any) -> None:
    """Make a storage pool. What already lies in its directory becomes its volumes; nothing is formatted.

    \b
    dir      --path                                    a directory
    fs       --path --source-dev                       a file system, mounted at the path
    netfs    --path --source-host --source-path        an export of a file server, likewise
    logical  --source-name                             a volume group
    iscsi    --source-host --source-dev                a target; its units are the volumes
    rbd      --source-host --source-name               a Ceph pool

    \b
    Examples:
      kimchictl pool create isos --type dir --path /srv/isos --start
      kimchictl pool create nas --type netfs --path /mnt/nas --source-host nas.example --source-path /export --start
      kimchictl pool create vg0 --type logical --source-name vg0
      kimchictl pool create ceph --type rbd --source-host mon1:6789 --source-name vms --auth-user me --secret-usage ceph
    """
    from kimchictl.virt.storage.poolchange import create_pool

    if kind == "dir" and not source["path"]:
        raise UsageError(f"pool {name!r} of type dir needs a --path", "name its directory, which is made if need be")
    create_pool(app.host, name, _plan(app, source), kind, start, autostart)
    app.note(
        f"pool {name!r} created{' and started' if start else f'; start it with kimchictl pool start {quote(name)}'}"
    )


@pool.command()
@name_argument("pool")
@click.option("--autostart/--no-autostart", default=None, help="Start it with the host, or not.")
@_source_options
@click.option("--dry-run", is_flag=True, help="Show what would change in the pool's XML, and change nothing.")
@pass_app
def edit(app: App, name: str, autostart: bool | None, dry_run: bool, **source: Any) -> None:
    """Change a storage pool. Where it lies can be changed while it is inactive.

    With no option the pool's XML is opened in $VISUAL or $EDITOR, again after a mistake.

    \b
    Examples:
      kimchictl pool edit isos --no-autostart
      kimchictl pool edit nas --source-host other-nas.example --dry-run
      kimchictl pool edit ceph
    """
    from kimchictl.actions.storage.edit_pool import edit_pool, edit_pool_xml
    from kimchictl.virt.storage.poolchange import set_autostart

    if any(source.values()):
        _report(app, edit_pool(app.host, name, _plan(app, source), dry_run), dry_run)
    elif autostart is None:
        _report(app, edit_pool_xml(app.host, name, dry_run), dry_run)
    if autostart is not None:
        state = "starts with the host" if autostart else "does not start with the host"
        if dry_run:
            app.note(f"pool {name!r} would be one that {state}")
        else:
            already = not set_autostart(app.host, name, autostart)
            app.note(f"pool {name!r} {state}{' already' if already else ''}")


def _report(app: App, edited: "EditedPool", dry_run: bool) -> None:
    if app.format not in ("table", "wide"):
        app.emit(edited, EDITED)
    elif dry_run:
        write_out("".join(visible(line) + "\n" for line in edited.diff.splitlines()))
    if not edited.diff:
        app.note(f"pool {edited.name!r} is unchanged")
    elif not dry_run:
        app.note(f"pool {edited.name!r} changed")


@pool.command()
@names_argument("pool")
@pass_app
def start(app: App, names: tuple[str, ...]) -> int:
    """Start storage pools.

    \b
    Examples:
      kimchictl pool start isos
      kimchictl pool list --filter state=inactive -o name | kimchictl pool start -
    """
    from kimchictl.virt.storage.poolchange import start_pool

    def one(name: str) -> None:
        app.note(f"pool {name!r} {'started' if start_pool(app.host, name) else 'is already active'}")

    return app.each(names, one)[1]


@pool.command()
@names_argument("pool")
@pass_app
def stop(app: App, names: tuple[str, ...]) -> int:
    """Stop storage pools; what is in them stays.

    \b
    Examples:
      kimchictl pool stop isos
      kimchictl pool stop isos nas
    """
    from kimchictl.virt.storage.poolchange import stop_pool

    def one(name: str) -> None:
        app.note(f"pool {name!r} {'stopped' if stop_pool(app.host, name) else 'is already inactive'}")

    return app.each(names, one)[1]


@pool.command()
@names_argument("pool")
@click.option("--with-contents", is_flag=True, help="Delete all that is in them, too, and their directories.")
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, names: tuple[str, ...], with_contents: bool, missing_ok: bool, yes: bool) -> int:
    """Forget the definitions of inactive storage pools; their directories and what is in them stay.

    With --with-contents: of active ones, after showing what goes. One that a VM or a template uses is refused.

    \b
    Examples:
      kimchictl pool delete isos
      kimchictl pool delete scratch --with-contents
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.storage.remove_pool import bill_of, delete_pool, delete_with_contents

    users, seconds = template_users(app.templates), app.config["pool.timeout"]

    def one(name: str) -> None:
        if not with_contents:
            delete_pool(app.host, name, seconds, users)
            app.note(f"pool {name!r} deleted; what is in it stays")
            return
        bill = bill_of(app.host, name, seconds, users)
        for volume in bill.volumes:
            app.note(f"deleted with pool {name!r}: {volume!r}")
        app.confirm(f"deleting pool {name!r} with {len(bill.volumes)} volumes, {format_size(bill.size)}", yes)
        delete_with_contents(app.host, bill, seconds, users)
        app.note(f"pool {name!r} deleted with what was in it")

    return app.each(names, one, missing_ok)[1]
