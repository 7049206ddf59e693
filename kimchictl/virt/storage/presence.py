"""Whether what a template names is there: one call each, for who only wants to know."""

from typing import Any

from kimchictl.errors import NotFound
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.networks import find_network
from kimchictl.virt.storage.pools import find_pool


def pool_state(host: Host, name: str) -> str | None:
    """active or inactive; None if there is no such storage pool."""
    return _state(host, find_pool, f"pool {name!r}", name)


def network_state(host: Host, name: str) -> str | None:
    """active or inactive; None if there is no such network."""
    return _state(host, find_network, f"network {name!r}", name)


def active_networks(host: Host) -> list[str]:
    """The names of the networks that are active, sorted."""
    with asking(f"host {host.uri}: network list"):
        return sorted(each.name() for each in host.conn.listAllNetworks(host.lib.VIR_CONNECT_LIST_NETWORKS_ACTIVE))


def _state(host: Host, find: Any, what: str, name: str) -> str | None:
    try:
        found = find(host, name)
    except NotFound:
        return None
    with asking(what):
        return "active" if found.isActive() else "inactive"
