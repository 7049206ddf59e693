"""`kimchictl vm show`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.vm.views import DETAILS
from kimchictl.errors import KimchiError
from kimchictl.virt.domain.domains import show_vm
from kimchictl.virt.domain.listing import Vm


@click.command(cls=Command)
@name_argument("vm")
@pass_app
def show(app: App, name: str) -> None:
    """Show a VM: devices, snapshots, addresses, and what differs from its template.

    \b
    Examples:
      kimchictl vm show web
      kimchictl vm show web -o json
    """
    vm = show_vm(app.host, name)
    shown = vm._replace(drift=_drift(app, vm))._asdict()
    if app.format in ("table", "wide") and len(vm.displays) < 2 and not app.options.columns:
        del shown["displays"]  # it is what "graphics" says
    app.emit(shown, DETAILS)


def _drift(app: App, vm: Vm) -> tuple[str, ...] | None:
    """The keys in which it differs from its template; None where there is none, or none any more."""
    if vm.template is None or app.host.stuck:
        return None
    from kimchictl.actions.vms.vm_diff import diff_vm
    from kimchictl.catalog.nouns import TEMPLATES
    from kimchictl.catalog.resolve import defaults_of, resolve

    try:
        template = TEMPLATES.read(app.templates.get(vm.template))
        return tuple(each.key for each in diff_vm(app.host, vm.name, resolve(template, defaults_of(app.config))))
    except KimchiError as error:
        app.detail(f"vm {vm.name!r} is not compared with its template: {error}")
        return None
