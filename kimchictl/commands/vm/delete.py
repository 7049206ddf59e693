"""`kimchictl vm delete`"""

from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.commands.again import again, whole
from kimchictl.commands.base import Command, missing_ok_option, pass_app, yes_option
from kimchictl.commands.vm.chosen import vms_argument
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.actions.vms.remove_vm import Bill


@click.command(cls=Command)
@vms_argument
@click.option("--keep-disks", is_flag=True, help="Leave its disks in their pools.")
@missing_ok_option
@yes_option
@pass_app
def delete(app: App, names: tuple[str, ...], keep_disks: bool, missing_ok: bool, yes: bool) -> int:
    """Delete VMs with the disks that are theirs alone.

    What goes and what stays is said first. A running VM is powered off. Media, shared disks, disks that another VM or a
    template names, backing files and files outside of any storage pool stay.

    \b
    Examples:
      kimchictl vm delete web
      kimchictl vm delete web db --keep-disks --yes
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.vms.remove_vm import make_bill, remove, require_same

    def act(name: str) -> None:
        def look() -> "Bill":
            return make_bill(app.host, name, template_users(app.templates), keep_disks)

        bill = again(app, look)
        for line in _lines(bill):
            app.note(line)
        app.confirm(f"deleting vm {bill.name!r}", yes)
        if not yes:
            require_same(bill, again(app, look))
        whole(app, bill.name, lambda: remove(app.host, bill), lambda _: f"vm {bill.name!r} deleted")

    return app.each(names, act, missing_ok)[1]


def _lines(bill: "Bill") -> list[str]:
    head = f"to be deleted: vm {bill.name!r}" + (", which is running and is powered off first" if bill.running else "")
    gone = [f"  goes:  {g.what}{f' ({format_size(g.size)})' if g.size is not None else ''}" for g in bill.goes]
    return [head, *gone, *(f"  stays: {stay.what}: {stay.why}" for stay in bill.stays)]
