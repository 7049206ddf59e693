"""`kimchictl volume list`, `show` and `orphans`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.several import on_hosts
from kimchictl.commands.volume.views import ORPHANS, VOLUMES, look_at, pool_argument

_pools_argument = click.argument("pool_names", metavar="[POOL]...", nargs=-1, shell_complete=complete("pool"))


@click.command("list", cls=Command)
@_pools_argument
@list_options
@pass_app
@on_hosts()
def list_(app: App, pool_names: tuple[str, ...]) -> int:
    """List the volumes of storage pools.

    By default of all pools that are active.

    The format is what is in a volume, whatever its name; a disk that a VM has as raw is raw. CAPACITY is what a guest
    sees, ALLOCATION what is really taken.

    \b
    Examples:
      kimchictl volume list default
      kimchictl volume list --filter format=iso
    """
    return _list(app, pool_names, orphans=False)


@click.command(cls=Command)
@_pools_argument
@list_options
@pass_app
@on_hosts()
def orphans(app: App, pool_names: tuple[str, ...]) -> int:
    """List disks that nothing uses.

    That is: no VM, on or off, its snapshots, saved memory and firmware included, no template and no other image. ISO
    images but cloud-init data, and directories, are none. On a file server another host may use what this one does not:
    that is marked.

    \b
    Examples:
      kimchictl volume orphans
      kimchictl volume orphans default -o name | kimchictl volume delete default - --yes
    """
    return _list(app, pool_names, orphans=True)


def _list(app: App, pool_names: tuple[str, ...], orphans: bool) -> int:
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.storage.listing import described, list_volumes, without_owner
    from kimchictl.actions.storage.sharing import with_sharing
    from kimchictl.actions.storage.unfinished import marked, without_growing
    from kimchictl.virt.storage.pools import names

    found, status = app.each(
        pool_names or names(app.host, active_only=True),
        lambda name: list_volumes(app.host, name, app.config["pool.timeout"]),
    )
    if found or not status:
        every, templates = [each for volumes in found for each in volumes], template_users(app.templates)
        listed = marked(app.host, app.places.own_state, described(app.host, every, templates))
        if orphans:
            unused = without_owner(app.host, listed, templates)
            listed = without_growing(app.host, app.places.own_state, unused)
        shown = with_sharing(app.host, listed)
        for pool in sorted({volume.pool for volume in shown if orphans and volume.shared}):
            app.note(f"pool {pool!r} is on a server: another host may use what is in it")
        app.emit_list(shown, ORPHANS if orphans else VOLUMES)
    return status


@click.command(cls=Command)
@pool_argument
@click.argument("name", shell_complete=complete("volume"))
@pass_app
def show(app: App, pool_name: str, name: str) -> None:
    """Show a volume.

    \b
    Examples:
      kimchictl volume show default web.qcow2
      kimchictl volume show default web.qcow2 -o json
    """
    from kimchictl.actions.storage.sharing import with_sharing
    from kimchictl.actions.storage.unfinished import marked

    found = marked(app.host, app.places.own_state, [look_at(app).show(pool_name, name)])
    app.emit(with_sharing(app.host, found)[0], VOLUMES)
