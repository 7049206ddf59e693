"""`kimchictl network`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, name_argument, names_argument, pass_app
from kimchictl.commands.several import on_hosts
from kimchictl.render import View

NETWORKS = View(
    columns=("name", "state", "forward", "bridge", "addresses", "autostart"),
    keys=("name", "uuid", "state", "active", "autostart", "persistent", "forward", "bridge", "addresses"),
    wide=("uuid", "persistent"),
)


@click.group(cls=Group)
def network() -> None:
    """Virtual networks of the host."""


@network.command("list")
@list_options
@pass_app
@on_hosts()
def list_(app: App) -> None:
    """List virtual networks, those that are inactive too.

    \b
    Examples:
      kimchictl network list
      kimchictl network list --filter active=true -o name
    """
    from kimchictl.virt.networks import list_networks

    app.emit_list(list_networks(app.host), NETWORKS)


@network.command()
@name_argument("network")
@pass_app
def show(app: App, name: str) -> None:
    """Show a virtual network.

    \b
    Examples:
      kimchictl network show default
      kimchictl network show default -o json
    """
    from kimchictl.virt.networks import show_network

    app.emit(show_network(app.host, name), NETWORKS)


@network.command()
@names_argument("network")
@pass_app
def start(app: App, names: tuple[str, ...]) -> int:
    """Start virtual networks.

    \b
    Examples:
      kimchictl network start default
      kimchictl network start default isolated
    """
    from kimchictl.virt.networks import start_network

    def one(name: str) -> None:
        app.note(f"network {name!r} {'started' if start_network(app.host, name) else 'is already active'}")

    return app.each(names, one)[1]


@network.command()
@names_argument("network")
@pass_app
def stop(app: App, names: tuple[str, ...]) -> int:
    """Stop virtual networks; guests on them lose their link.

    Those that run are named. Their link comes back when they are started anew on the network.

    \b
    Examples:
      kimchictl network stop isolated
      kimchictl network stop default isolated
    """
    from kimchictl.virt.networks import stop_network

    def one(name: str) -> None:
        app.note(f"network {name!r} {'stopped' if stop_network(app.host, name) else 'is already inactive'}")

    return app.each(names, one)[1]
