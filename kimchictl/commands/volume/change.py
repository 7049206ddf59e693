"""`kimchictl volume resize`, `clone`, `wipe` and `delete`."""

from collections.abc import Callable

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, expand_names, missing_ok_option, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.commands.volume.views import NEW_SIZE, clean_up, emit_made, look_at, pool_argument, require_finished
from kimchictl.units import format_size

# virStorageVolWipeAlgorithm; kimchictl.virt.storage.volumechange has the same list: help loads no virt.
WIPES = ("zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim")

_names_argument = click.argument(
    "names", metavar="NAME...", nargs=-1, required=True, callback=expand_names, shell_complete=complete("volume")
)


@click.command(cls=Command)
@pool_argument
@click.argument("name", shell_complete=complete("volume"))
@click.argument("wanted", metavar="SIZE", type=NEW_SIZE)
@click.option("--shrink", is_flag=True, help="A smaller size is meant: what lies beyond it is lost.")
@yes_option
@pass_app
def resize(app: App, pool_name: str, name: str, wanted: Callable[[int], int], shrink: bool, yes: bool) -> None:
    """Change the size of a volume.

    No running VM may use it. SIZE is like 30G, or +10G for so much more.

    \b
    Examples:
      kimchictl volume resize default web.qcow2 +10G
      kimchictl volume resize default web.qcow2 5G --shrink
    """
    from kimchictl.actions.storage.volume_changes import require_resizable, resize_volume

    clean_up(app, pool_name)
    volume = look_at(app).show(pool_name, name)
    require_finished(app, volume)
    size = wanted(volume.capacity or 0)
    require_resizable(app.host, volume, size, shrink)
    if size < (volume.capacity or 0):
        app.confirm(f"cutting volume {name!r} of pool {pool_name!r} down to {format_size(size)}", yes)
    made = resize_volume(app.host, volume, size, shrink, app.progress)
    app.note(f"volume {name!r} of pool {pool_name!r} has {format_size(made.capacity or 0)}")
    emit_made(app, made)


@click.command(cls=Command)
@pool_argument
@click.argument("name", shell_complete=complete("volume"))
@click.argument("new", metavar="[NEW]", required=False)
@click.option("--to", "to_pool", metavar="POOL", shell_complete=complete("pool"), help="Into this pool; else the same.")
@pass_app
def clone(app: App, pool_name: str, name: str, new: str | None, to_pool: str | None) -> None:
    """Copy a volume, into another pool, too.

    As NEW, by default NAME-clone1. The copy needs nothing of what backs the original.

    \b
    Examples:
      kimchictl volume clone default web.qcow2 web2.qcow2
      kimchictl volume clone default web.qcow2 --to backup
    """
    from kimchictl.actions.storage.clone_volume import clone_volume

    clean_up(app, to_pool or pool_name)
    with app.task(f"copy of {name} of pool {pool_name}", app.remote_host) as progress:
        made = clone_volume(app.host, pool_name, name, to_pool, new, progress, app.places.own_state)
    app.note(f"volume {name!r} of pool {pool_name!r} copied to {made.name!r} of pool {made.pool!r}")
    emit_made(app, made)


@click.command(cls=Command)
@pool_argument
@_names_argument
@click.option("--algorithm", type=click.Choice(WIPES), default="zero", show_default=True, help="With what.")
@yes_option
@pass_app
def wipe(app: App, pool_name: str, names: tuple[str, ...], algorithm: str, yes: bool) -> int:
    """Overwrite what is in volumes.

    Nothing may use them. The format is overwritten, too: a qcow2 is none afterwards.

    \b
    Examples:
      kimchictl volume wipe default old.img
      kimchictl volume wipe default old.img --algorithm random --yes
    """
    from kimchictl.actions.storage.volume_changes import wipe_volume

    def one(name: str) -> None:
        found = look.show(pool_name, name)
        require_finished(app, found)
        look.require_unused(found)
        app.confirm(f"wiping volume {name!r} of pool {pool_name!r}", yes)
        with app.task(f"wipe of {name} of pool {pool_name}", app.remote_host) as progress:
            wipe_volume(found, look, algorithm, progress)
        app.note(f"volume {name!r} of pool {pool_name!r} wiped")

    clean_up(app, pool_name)
    look = look_at(app)
    return app.each(names, one)[1]


@click.command(cls=Command)
@pool_argument
@_names_argument
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, pool_name: str, names: tuple[str, ...], missing_ok: bool, yes: bool) -> int:
    """Delete volumes with what is in them.

    One that a VM, a template or another volume needs is refused.

    \b
    Examples:
      kimchictl volume delete default old.qcow2
      kimchictl volume delete default old.qcow2 older.qcow2 --yes
    """
    from kimchictl.actions.storage.volume_changes import delete_volume

    def one(name: str) -> None:
        found = look.show(pool_name, name)
        require_finished(app, found)
        look.require_unused(found)
        app.confirm(f"deleting volume {name!r} of pool {pool_name!r}", yes)
        delete_volume(found, look)
        app.note(f"volume {name!r} of pool {pool_name!r} deleted")

    clean_up(app, pool_name)
    look = look_at(app)
    return app.each(names, one, missing_ok)[1]
