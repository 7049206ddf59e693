"""`kimchictl host`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, pass_app
from kimchictl.render import View


@click.group(cls=Group)
def host() -> None:
    """The host itself: what it is and what it can do."""


@host.command()
@pass_app
def show(app: App) -> None:
    """Show the host: its name, memory and CPUs, and the versions of libvirt and the hypervisor."""
    from kimchictl.actions.host_report import HostSummary, summarise

    keys = tuple(HostSummary.__dataclass_fields__)
    app.emit(summarise(app.host), View(keys, keys))


@host.command()
@pass_app
def capabilities(app: App) -> None:
    """Show what the host can do: streaming, firmware, TPM, KVM, displays.

    \b
    Examples:
      kimchictl host capabilities -o json
    """
    from kimchictl.actions.host_report import HostCapabilities, find_capabilities

    keys = tuple(HostCapabilities.__dataclass_fields__)
    app.emit(find_capabilities(app.host), View(keys, keys, name="libvirtd"))
