"""`kimchictl vm edit`"""

from typing import TYPE_CHECKING, Any

import click

from kimchictl.app import App
from kimchictl.catalog.options import Changes
from kimchictl.commands.again import again
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.template.options import options_like
from kimchictl.commands.values import TITLE
from kimchictl.commands.vm.password import display_password, password_options
from kimchictl.errors import UsageError
from kimchictl.render import View, visible, write_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from kimchictl.actions.vms.edit_vm import EditedVm
    from kimchictl.virt.domain.domainedit import VmChanges

EDITED = View(("name", "live", "later"), ("name", "diff", "live", "later"), sort=None)


@click.command(cls=Command)
@name_argument("vm")
@click.option("--name", "wanted", metavar="NEW", help="A new name; the VM must be off.")
@click.option("--title", type=TITLE, metavar="S", help="A line about it; empty takes it away.")
@options_like(
    "--memory", "--max-memory", "--vcpus", "--max-vcpus", "--topology", "--graphics", "--firmware", "--secure-boot",
    "--description",
)  # fmt: skip
@click.option("--boot", metavar="DEVICE,...", help="What to boot from, in order: hd, cdrom, network, fd.")
@click.option("--boot-menu/--no-boot-menu", default=None, help="The firmware's menu of what to boot from.")
@click.option("--autostart/--no-autostart", default=None, help="Start it with the host, or not.")
@click.option("--drop-saved", is_flag=True, help="Throw away its saved memory, from which it would start, if any.")
@password_options
@click.option("--next-start", is_flag=True, help="Leave the running guest as it is: it changes when it starts anew.")
@click.option("--xml", "by_hand", is_flag=True, help="Edit the domain's XML, for what no option covers.")
@click.option("--dry-run", is_flag=True, help="Show what would change in the domain's XML, and change nothing.")
@pass_app
def edit(
    app: App,
    name: str,
    wanted: str | None,
    title: str | None,
    changes: Changes,
    boot: str | None,
    boot_menu: bool | None,
    autostart: bool | None,
    drop_saved: bool,
    display_password_fd: int | None,
    insecure: bool,
    next_start: bool,
    by_hand: bool,
    dry_run: bool,
) -> None:
    """Change a VM, one that kimchictl did not make too.

    Of a running VM the title, the description, the memory and the vcpus up to their maximum change at once; the rest
    needs it to be off, or --next-start. One whose memory was saved (virsh managedsave) goes on from that when it
    starts, with what it had then; --drop-saved is like cutting its power.

    \b
    Examples:
      kimchictl vm edit web --memory 4G --vcpus 2
      kimchictl vm edit web --boot cdrom,hd --next-start
      kimchictl vm edit web --name web-server
      kimchictl vm edit web --graphics vnc,0.0.0.0 --display-password-fd 3 3< secret --dry-run
      kimchictl vm edit web --xml
    """
    from kimchictl.actions.vms.edit_vm import drop_saved_memory, edit_vm, edit_xml, rename_vm, require_renameable
    from kimchictl.virt.domain import power

    asked = _asked(app, name, changes, title, boot, boot_menu, display_password_fd, insecure)
    if by_hand:
        if asked or wanted is not None or autostart is not None or drop_saved:
            raise UsageError("--xml takes no other change beside it")
        _report(app, edit_xml(app.host, name, dry_run), dry_run)
        return
    if not asked and wanted is None and autostart is None and not drop_saved:
        raise UsageError(f"nothing to change of vm {name!r}", "see --help for what can be, or give --xml")
    if wanted is not None and wanted != name:
        again(app, lambda: require_renameable(app.host, name, wanted, drop_saved))
    if drop_saved:
        if asked and not dry_run:  # what is refused drops nothing
            edit_vm(app.host, name, asked, next_start, dry_run=True)
        there, done = drop_saved_memory(app.host, name, dry_run), "would be dropped" if dry_run else "dropped"
        app.note(f"vm {name!r}: its saved memory {done}" if there else f"vm {name!r} has no saved memory")
    if asked:
        _change(app, name, lambda: edit_vm(app.host, name, asked, next_start, dry_run), dry_run)
    if autostart is not None:
        state = "starts with the host" if autostart else "does not start with the host"
        if dry_run:
            app.note(f"vm {name!r} would be one that {state}")
        else:
            already = not again(app, lambda: power.set_autostart(app.host, name, autostart), name)
            app.note(f"vm {name!r} {state}{' already' if already else ''}")
    if wanted == name:
        app.note(f"vm {name!r} is called so already")
    elif wanted is not None:
        if not dry_run:
            again(app, lambda: rename_vm(app.host, name, wanted, app.places.own_state), name)
        app.note(f"vm {name!r} {'would be' if dry_run else 'is now'} {wanted!r}")


def _change(app: App, name: str, change: "Callable[[], EditedVm]", dry_run: bool) -> None:
    """`change()`, reported, neither left half done at a Ctrl-C, nor untold."""
    from kimchictl.locks.signals import uninterrupted

    tries = 0

    def counted() -> "EditedVm":
        nonlocal tries
        tries += 1
        return change()

    with uninterrupted():
        edited = again(app, counted, name)
        _report(app, edited, dry_run, "is now as it was to be" if tries > 1 else "is unchanged")


def _asked(
    app: App,
    name: str,
    changes: Changes,
    title: str | None,
    boot: str | None,
    boot_menu: bool | None,
    fd: int | None,
    insecure: bool,
) -> "VmChanges":
    """The options as one record. A key that an empty text would take away is needed, but for texts."""
    from kimchictl.virt.domain.domainedit import VmChanges

    values: dict[str, Any] = {key: value for key, value in changes.values.items() if value is not None}
    if "description" in changes.values:
        values["description"] = changes.values["description"] or ""
    if boot is not None:
        values["boot"] = tuple(part.strip() for part in boot.split(",") if part.strip())
    password = _password(app, name, changes.graphics, fd, insecure)
    return VmChanges(**values, title=title, boot_menu=boot_menu, graphics=changes.graphics, password=password)


def _password(app: App, name: str, wanted: dict[str, Any] | None, fd: int | None, insecure: bool) -> str | None:
    if wanted is None and fd is None:
        return None
    from kimchictl.virt.domain.display import next_display

    kind, listen, has_one = again(app, lambda: next_display(app.host, name, (wanted or {}).get("type")))
    kind, listen = (wanted or {}).get("type") or kind, (wanted or {}).get("listen") or listen
    return display_password(kind, listen, fd, insecure, has_one)


def _report(app: App, edited: "EditedVm", dry_run: bool, unchanged: str = "is unchanged") -> None:
    if app.format not in ("table", "wide"):
        app.emit(edited, EDITED)
    elif dry_run:
        write_out("".join(visible(line) + "\n" for line in edited.diff.splitlines()))
    if not edited.diff and not edited.live:
        app.note(f"vm {edited.name!r} {unchanged}")
    elif not dry_run:
        app.note(f"vm {edited.name!r} changed" + (", from its next start on" if edited.later else ""))
    if edited.left is not None:
        app.note(f"if it ever ran, its NVRAM stays as {edited.left}, for --firmware uefi again: delete it by hand")
