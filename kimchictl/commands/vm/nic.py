"""`kimchictl vm nic`"""

import click

from kimchictl.app import App
from kimchictl.catalog import options
from kimchictl.catalog.records import Network
from kimchictl.commands.again import whole
from kimchictl.commands.base import Group, list_options, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.vm.disk import next_start_option
from kimchictl.render import View

NICS = View(
    columns=("index", "mac", "type", "name", "model", "link", "target", "pending"),
    keys=("index", "mac", "type", "name", "model", "target", "link", "pending"),
    name="mac",
    sort="index",
)


@click.group(cls=Group)
def nic() -> None:
    """The network interfaces of a VM, while it runs too."""


@nic.command("list")
@name_argument("vm")
@list_options
@pass_app
def list_(app: App, name: str) -> None:
    """List the interfaces of a VM.

    PENDING is what the next start of a running VM does: attach an interface that only its definition has, detach one
    that only the running guest has, or change one to what its definition says.

    \b
    Examples:
      kimchictl vm nic list web
      kimchictl vm nic list web --columns mac,name
    """
    from kimchictl.actions.vms.devices.vm_nics import list_nics

    app.emit_list(list_nics(app.host, name), NICS)


@nic.command()
@name_argument("vm")
@click.argument("network", metavar="NAME|bridge=BR|user", shell_complete=complete("network"))
@click.option("--model", metavar="MODEL", help="Its model; by default that of the first one, else virtio.")
@click.option("--mac", metavar="MAC", help="Its address; by default a new one.")
@next_start_option
@pass_app
def attach(app: App, name: str, network: str, model: str | None, mac: str | None, next_start: bool) -> None:
    """Attach an interface on a network, a bridge, or user networking.

    \b
    Examples:
      kimchictl vm nic attach web default
      kimchictl vm nic attach web bridge=br0 --model e1000
    """
    from kimchictl.actions.vms.devices.vm_nics import attach_nic

    wanted = _network(network, model)
    done = whole(
        app,
        name,
        lambda: attach_nic(app.host, name, wanted, mac, next_start),
        lambda done: f"interface {done.mac} attached to vm {name!r}",
    )
    if app.format not in ("table", "wide"):
        app.emit(done, NICS)


@nic.command()
@name_argument("vm")
@click.argument("interface", metavar="MAC|INDEX", shell_complete=complete("nic"))
@next_start_option
@pass_app
def detach(app: App, name: str, interface: str, next_start: bool) -> None:
    """Detach an interface.

    \b
    Examples:
      kimchictl vm nic detach web 1
      kimchictl vm nic detach web 52:54:00:12:34:56
    """
    from kimchictl.actions.vms.devices.vm_nics import detach_nic

    whole(
        app,
        name,
        lambda: detach_nic(app.host, name, interface, next_start),
        lambda done: f"interface {done.mac} detached from vm {name!r}",
    )


@nic.command("set")
@name_argument("vm")
@click.argument("interface", metavar="MAC|INDEX", shell_complete=complete("nic"))
@click.option("--network", metavar="NAME|bridge=BR|user", shell_complete=complete("network"), help="Move it there.")
@click.option("--link", type=click.Choice(("up", "down")), help="Its cable in, or out.")
@click.option("--model", metavar="MODEL", help="Another model; not while it runs.")
@next_start_option
@pass_app
def set_(
    app: App, name: str, interface: str, network: str | None, link: str | None, model: str | None, next_start: bool
) -> None:
    """Change an interface.

    \b
    Examples:
      kimchictl vm nic set web 0 --network bridge=br0
      kimchictl vm nic set web 52:54:00:12:34:56 --link down
    """
    from kimchictl.actions.vms.devices.vm_nics import set_nic

    wanted = _network(network, None) if network is not None else None
    done = whole(
        app,
        name,
        lambda: set_nic(app.host, name, interface, wanted, link, model, next_start),
        lambda done: f"interface {done.mac} of vm {name!r} changed",
    )
    if app.format not in ("table", "wide"):
        app.emit(done, NICS)


def _network(text: str, model: str | None) -> Network:
    return Network(**{**options.network(text), **({"model": model} if model else {})})  # type: ignore[arg-type]
