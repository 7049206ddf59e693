"""`kimchictl vm disk`"""

from collections.abc import Callable

import click

from kimchictl.app import App
from kimchictl.commands.again import again, whole
from kimchictl.commands.base import Group, list_options, name_argument, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.commands.volume.views import DISK_SIZE, NEW_SIZE
from kimchictl.errors import UsageError
from kimchictl.render import View
from kimchictl.units import format_size

DISKS = View(
    columns=("target", "device", "bus", "format", "capacity", "allocation", "source", "pending"),
    keys=(
        "target", "bus", "device", "source", "format", "readonly", "shareable", "backing", "pool", "volume",
        "capacity", "allocation", "pending", "next_source",
    ),
    name="target",
    sort="target",
    wide=("readonly", "shareable", "backing", "next_source"),
)  # fmt: skip

next_start_option = click.option(
    "--next-start", is_flag=True, help="Leave the running guest as it is: it changes when it starts anew."
)


@click.group(cls=Group)
def disk() -> None:
    """The disks of a VM: attached, detached and resized, while it runs too."""


@disk.command("list")
@name_argument("vm")
@list_options
@pass_app
def list_(app: App, name: str) -> None:
    """List the drives of a VM with their images.

    PENDING is what the next start of a running VM does: attach a disk that only its definition has, detach one that
    only the running guest has, or change what is in a drive to next_source.

    \b
    Examples:
      kimchictl vm disk list web
      kimchictl vm disk list web --filter device=disk -o json
    """
    from kimchictl.actions.vms.devices.vm_disks import list_disks

    app.emit_list(list_disks(app.host, name), DISKS)


@disk.command()
@name_argument("vm")
@click.argument("source", required=False, shell_complete=complete("source"))
@click.option("--size", "-s", type=DISK_SIZE, metavar="SIZE", help="Make a volume of this size, like 20G.")
@click.option("--pool", metavar="P", shell_complete=complete("pool"), help="The pool to make it in.")
@click.option("--format", "form", type=click.Choice(("qcow2", "raw")), help="Its format.")
@click.option("--bus", type=click.Choice(("virtio", "scsi", "sata", "ide", "usb")), help="Where it is plugged in.")
@click.option("--readonly", is_flag=True, help="The guest only reads it.")
@click.option(
    "--shared",
    is_flag=True,
    help="Attach it though another VM has it. A raw one both can use at once, any other one at a time.",
)
@next_start_option
@pass_app
def attach(
    app: App,
    name: str,
    source: str | None,
    size: int | None,
    pool: str | None,
    form: str | None,
    bus: str | None,
    readonly: bool,
    shared: bool,
    next_start: bool,
) -> None:
    """Attach a disk to a VM: a new one, a volume, or a file of the host.

    What another VM has needs --shared. What backs other disks, or those that a template makes, is only read: it needs
    --readonly.

    \b
    Examples:
      kimchictl vm disk attach web --size 20G
      kimchictl vm disk attach web pool:default/data.qcow2
    """
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.vms.devices.vm_disks import NewDisk, attach_disk

    if (source is None) == (size is None):
        raise UsageError("either a disk that is there, or the --size of a new one", "see vm disk attach --help")
    if source is not None and pool is not None:
        raise UsageError("--pool is for a new disk", "a volume is written pool:POOL/VOLUME")
    new = NewDisk(source, size, pool, form, bus, readonly, shared)
    templates = template_users(app.templates) if source is not None else None
    done = whole(
        app,
        name,
        lambda: attach_disk(app.host, name, new, next_start, app.places.own_state, templates),
        lambda done: f"disk {done.target!r} attached to vm {name!r}: {done.source}",
    )
    if app.format not in ("table", "wide"):
        app.emit(done, View(("target", "source", "made"), ("target", "source", "made"), name="target"))


@disk.command()
@name_argument("vm")
@click.argument("target", shell_complete=complete("disk"))
@next_start_option
@pass_app
def detach(app: App, name: str, target: str, next_start: bool) -> None:
    """Detach a disk, named by its target or its image, which stays.

    \b
    Examples:
      kimchictl vm disk detach web vdb
      kimchictl vm disk detach web data.qcow2 --next-start
    """
    from kimchictl.actions.vms.devices.vm_disks import detach_disk

    whole(
        app,
        name,
        lambda: detach_disk(app.host, name, target, next_start),
        lambda stays: f"disk {target!r} detached from vm {name!r}" + (f"; {stays} stays" if stays else ""),
    )


@disk.command()
@name_argument("vm")
@click.argument("target", shell_complete=complete("disk"))
@click.argument("size", type=NEW_SIZE)
@yes_option
@pass_app
def resize(app: App, name: str, target: str, size: Callable[[int], int], yes: bool) -> None:
    """Make a disk larger, while the VM runs too; smaller only while it is off.

    SIZE is like 40G, or +10G for as much more.

    \b
    Examples:
      kimchictl vm disk resize web vda 40G
      kimchictl vm disk resize web vda +10G
    """
    from kimchictl.actions.vms.devices.resize_disk import plan_resize, resize_disk

    plan = again(app, lambda: plan_resize(app.host, name, target, size))
    what = f"disk {plan.disk.target!r} of vm {name!r}"
    if plan.after < plan.before:
        app.confirm(f"cutting {what} from {format_size(plan.before)} to {format_size(plan.after)}", yes)
    again(app, lambda: resize_disk(app.host, plan), name)
    app.note(f"{what} has {format_size(plan.after)}")
