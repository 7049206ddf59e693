"""`kimchictl vm delete`"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from kimchictl.app import App
from kimchictl.commands.again import again, whole
from kimchictl.commands.base import Command, missing_ok_option, pass_app, yes_option
from kimchictl.commands.vm.chosen import vms_argument
from kimchictl.commands.vm.leftovers import finish_deletions
from kimchictl.render import View
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.actions.vms.bill import Bill


def _going(going: dict[str, Any]) -> str:
    return f"{going['what']}{f' ({format_size(size)})' if (size := going['size']) is not None else ''}"


def _staying(staying: dict[str, Any]) -> str:
    return f"{staying['what']}: {staying['why']}"


BILLS = View(
    columns=("name", "running", "goes", "stays"),
    keys=("name", "uuid", "running", "persistent", "goes", "stays"),
    sort=None,
    formats={"goes": _going, "stays": _staying},
)


@click.command(cls=Command)
@vms_argument
@click.option("--keep-disks", is_flag=True, help="Leave its disks in their pools.")
@click.option("--dry-run", is_flag=True, help="Print what would go and what would stay, and delete nothing.")
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, names: tuple[str, ...], keep_disks: bool, dry_run: bool, missing_ok: bool, yes: bool) -> int:
    """Delete VMs with the disks that are theirs alone.

    What goes and what stays is said first. A running VM is powered off. Media, shared disks, disks that another VM or a
    template names, backing files and files outside of any storage pool stay. What a delete that was killed left is
    deleted by the next one, or by vm create or clone, if nothing has changed or uses it since.

    \b
    Examples:
      kimchictl vm delete web
      kimchictl vm delete web db --keep-disks --yes
      kimchictl vm delete web --dry-run -o json
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.vms.bill import make_bill, require_same
    from kimchictl.actions.vms.deletion import deletion_of
    from kimchictl.actions.vms.remove_vm import remove

    def bill_of(name: str) -> "Bill":
        return again(app, lambda: make_bill(app.host, name, template_users(app.templates), keep_disks))

    def act(name: str) -> None:
        bill = bill_of(name)
        deletion = again(app, lambda: deletion_of(app.host, bill, app.places.own_state))
        for line in _lines(bill):
            app.note(line)
        app.confirm(f"deleting vm {bill.name!r}", yes)
        if not yes:
            require_same(bill, bill_of(name))

        def do() -> None:
            remove(app.host, deletion, template_users(app.templates))

        with deletion.explaining():
            whole(app, bill.name, do, lambda _: f"vm {bill.name!r} deleted")

    if dry_run:
        bills, status = app.each(names, bill_of, missing_ok)
        _emit(app, bills)
        return status
    if names:
        finish_deletions(app)
    return app.each(names, act, missing_ok)[1]


def _emit(app: App, bills: "Sequence[Bill]") -> None:
    """For a program an array, however many there are; for a person one after the other."""
    if app.format in ("table", "wide"):
        for bill in bills:
            app.emit(bill, BILLS)
    else:
        app.emit_list(bills, BILLS)


def _lines(bill: "Bill") -> list[str]:
    head = f"to be deleted: vm {bill.name!r}" + (", which is running and is powered off first" if bill.running else "")
    gone = [f"  goes:  {_going({'what': each.what, 'size': each.size})}" for each in bill.goes]
    return [head, *gone, *(f"  stays: {stay.what}: {stay.why}" for stay in bill.stays)]
