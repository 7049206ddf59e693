"""`kimchictl vm snapshot`"""

import click

from kimchictl.app import App
from kimchictl.commands.again import again
from kimchictl.commands.base import Group, list_options, missing_ok_option, name_argument, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.render import View

_KEYS = ("name", "tree", "parent", "current", "state", "kind", "created", "description", "disks")
SNAPSHOTS = View(("tree", "state", "created", "current", "description"), _KEYS, wide=("kind", "disks"), sort=None)


@click.group(cls=Group)
def snapshot() -> None:
    """Snapshots of a VM: its disks, and its memory where it runs, as they are at a time."""


@snapshot.command()
@name_argument("vm")
@click.argument("snapshot", required=False)
@click.option("--description", metavar="TEXT", help="What it is of.")
@pass_app
def create(app: App, name: str, snapshot: str | None, description: str | None) -> None:
    """Take a snapshot; without a name it is called snapshot-1, -2...

    Its disks must be qcow2 images. A running VM stands still while its memory is written, to its first disk; one that
    was given vcpus while it ran has to be off. A Ctrl-C does not call it off: libvirt goes on, and lets the VM run on.

    \b
    Examples:
      kimchictl vm snapshot create web before-upgrade
      kimchictl vm snapshot create web --description "before the upgrade to 12.6"
    """
    from kimchictl.actions.vms.take_snapshot import take_snapshot

    made = again(app, lambda: take_snapshot(app.host, name, snapshot, description), name)
    app.note(f"snapshot {made.name!r} of vm {name!r} taken")
    if app.format not in ("table", "wide"):
        app.emit(made, SNAPSHOTS)


@snapshot.command("list")
@name_argument("vm")
@list_options
@pass_app
def list_(app: App, name: str) -> None:
    """List the snapshots of a VM, each below the one that it descends from.

    \b
    Examples:
      kimchictl vm snapshot list web
      kimchictl vm snapshot list web --sort -created -o json
    """
    from kimchictl.virt.domain.snapshots import list_snapshots

    app.emit_list(list_snapshots(app.host, name), SNAPSHOTS)


@snapshot.command()
@name_argument("vm")
@click.argument("snapshot", shell_complete=complete("snapshot"))
@pass_app
def show(app: App, name: str, snapshot: str) -> None:
    """Show a snapshot.

    \b
    Examples:
      kimchictl vm snapshot show web before-upgrade
      kimchictl vm snapshot show web before-upgrade -o json
    """
    from kimchictl.virt.domain.snapshots import find_snapshot

    app.emit(find_snapshot(app.host, name, snapshot), SNAPSHOTS)


@snapshot.command()
@name_argument("vm")
@pass_app
def current(app: App, name: str) -> None:
    """Show the snapshot that the VM's disks have come from.

    \b
    Examples:
      kimchictl vm snapshot current web
      kimchictl vm snapshot current web -o name
    """
    from kimchictl.virt.domain.snapshots import current_snapshot

    app.emit(current_snapshot(app.host, name), SNAPSHOTS)


@snapshot.command()
@name_argument("vm")
@click.argument("snapshot", shell_complete=complete("snapshot"))
@click.option("--start", is_flag=True, help="Let it run afterwards, though it was off then.")
@yes_option
@pass_app
def revert(app: App, name: str, snapshot: str, start: bool, yes: bool) -> None:
    """Go back to a snapshot: what the VM wrote since then is lost.

    \b
    Examples:
      kimchictl vm snapshot revert web before-upgrade
      kimchictl vm snapshot revert web before-upgrade --start --yes
    """
    from kimchictl.virt.domain.snapshots import require_revertible, revert_snapshot

    again(app, lambda: require_revertible(app.host, name, snapshot))
    app.confirm(f"going back to snapshot {snapshot!r} of vm {name!r}, which loses all since then,", yes)
    again(app, lambda: revert_snapshot(app.host, name, snapshot, start), name)
    app.note(f"vm {name!r} is as it was in snapshot {snapshot!r}")


@snapshot.command()
@name_argument("vm")
@click.argument("snapshots", metavar="SNAPSHOT...", nargs=-1, required=True, shell_complete=complete("snapshot"))
@click.option("--children", is_flag=True, help="Those that descend from it, too.")
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, name: str, snapshots: tuple[str, ...], children: bool, missing_ok: bool, yes: bool) -> int:
    """Delete snapshots of a VM; its disks stay as they are now.

    \b
    Examples:
      kimchictl vm snapshot delete web before-upgrade
      kimchictl vm snapshot delete web before-upgrade --children --yes
    """
    from kimchictl.virt.domain.snapshots import delete_snapshot, find_snapshot

    def one(title: str) -> None:
        again(app, lambda: find_snapshot(app.host, name, title))
        app.confirm(f"deleting snapshot {title!r} of vm {name!r}", yes)
        again(app, lambda: delete_snapshot(app.host, name, title, children), name)
        app.note(f"snapshot {title!r} of vm {name!r} deleted")

    return app.each(snapshots, one, missing_ok)[1]
