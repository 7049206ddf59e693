"""`kimchictl vm list`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.several import on_hosts
from kimchictl.commands.vm.again import again
from kimchictl.commands.vm.views import VMS, wants_description
from kimchictl.virt.domain.domains import BASE_KEYS, list_vms


@click.command("list", cls=Command)
@list_options
@pass_app
@on_hosts()
def list_(app: App) -> None:
    """List VMs, those that are off too.

    It costs a constant number of calls to libvirt; with -o wide, or a column or filter on title, description,
    template, os_distro, os_version or graphics, one more for each VM.

    \b
    Examples:
      kimchictl vm list
      kimchictl vm list --filter state=running -o name
    """
    described = wants_description(app)
    vms = again(app, lambda: list_vms(app.host, described))
    if described:
        app.emit_list(vms, VMS)
    else:
        app.emit_list([{key: getattr(vm, key) for key in BASE_KEYS} for vm in vms], VMS)
