"""`kimchictl vm clone`"""

from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.commands.again import again
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.vm.leftovers import finish_deletions
from kimchictl.commands.vm.views import emit_vms

if TYPE_CHECKING:
    from kimchictl.actions.vms.clone_plan import ClonePlan


@click.command(cls=Command)
@name_argument("vm")
@click.argument("new", required=False)
@click.option("--linked", is_flag=True, help="Share the disks as they are now; each VM keeps only what it changes.")
@click.option("--pool", metavar="P", shell_complete=complete("pool"), help="Storage pool of the clone's disks.")
@click.option("--dry-run", is_flag=True, help="Say what would be copied, and copy nothing.")
@pass_app
def clone(app: App, name: str, new: str | None, linked: bool, pool: str | None, dry_run: bool) -> None:
    """Copy a VM that is off; without NEW it is called NAME-clone1.

    The clone has an identity of its own: UUID, MAC addresses and an empty TPM, so that what was sealed in the TPM
    (BitLocker's key) has to be unlocked by other means. Its UEFI variables are a copy, with the boot entries. What is
    inside of the disks, such as host names and ssh keys, is the same in both.

    With --linked, both VMs get new disks upon the present ones, which are only read from then on; each linked clone
    adds one such level to both. A full clone, of a linked one too, stands alone again.

    \b
    Examples:
      kimchictl vm clone web
      kimchictl vm clone web test --linked
    """
    from kimchictl.actions.vms.clone_plan import called
    from kimchictl.actions.vms.clone_vm import clone_vm, sweep_clones, sweep_copies
    from kimchictl.actions.vms.create.claim import Claim

    if dry_run:
        plan = again(app, lambda: _planned(app, name, new, linked, pool))
        how = "shared by overlays" if linked else "copied"
        for disk, volume in plan.own:
            app.note(f"disk {disk.target!r}, pool:{volume.pool}/{volume.name}, would be {how}")
        app.note(f"vm {plan.source!r} would be cloned as {plan.name!r}")
        return
    finish_deletions(app)
    for sentence in again(app, lambda: sweep_clones(app.host, name, new, app.places.own_state)):
        app.note(sentence)
    names = again(app, lambda: called(app.host, name, new))
    with Claim(app.host, names, app.places.own_state) as claim:
        (title,) = again(app, lambda: claim.take(1))
        plan = again(app, lambda: _planned(app, name, title, linked, pool))
        for sentence in again(app, lambda: sweep_copies(app.host, plan, pool, app.places.own_state)):
            app.note(sentence)
        with app.task(f"clone of vm {plan.source} as {plan.name}", app.host.uri) as progress:
            made = clone_vm(app.host, plan, pool, linked, progress, app.places.own_state)
    app.note(f"vm {plan.source!r} cloned as {made!r}")
    emit_vms(app, [made], False)


def _planned(app: App, name: str, new: str | None, linked: bool, pool: str | None) -> "ClonePlan":
    """What will be done, with what there is to say of it."""
    from kimchictl.actions.vms.clone_plan import check_space, plan_clone
    from kimchictl.virt.storage.pools import find_active_pool

    plan = plan_clone(app.host, name, new, linked)
    if pool is not None:
        find_active_pool(app.host, pool)
    check_space(app.host, plan, pool, linked)
    for note in plan.notes:
        app.note(note)
    return plan
