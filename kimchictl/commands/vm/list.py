"""`kimchictl vm list`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.several import on_hosts
from kimchictl.commands.vm.views import VMS, wants_description
from kimchictl.virt.domain.listing import BASE_KEYS, DESCRIBED_KEYS, list_vms


@click.command("list", cls=Command)
@list_options
@pass_app
@on_hosts()
def list_(app: App) -> None:
    """List VMs, those that are off too.

    It costs a constant number of calls to libvirt; with -o wide, or a column or filter on title, description,
    template, os_distro, os_version or graphics, one more for each VM. JSON and csv have those keys only then.

    \b
    Examples:
      kimchictl vm list
      kimchictl vm list --filter state=running -o name
    """
    described = wants_description(app)
    keys = BASE_KEYS + DESCRIBED_KEYS if described else BASE_KEYS
    vms = list_vms(app.host, described)
    view = VMS._replace(keys=keys) if app.format == "csv" else VMS
    app.emit_list([dict(zip(keys, vm, strict=False)) for vm in vms], view)
