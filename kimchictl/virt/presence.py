"""Whether a storage pool or a network of a name is there, and whether it is active: one call each."""

from typing import Any

from kimchictl.virt.connection import Host, asking


def pool_state(host: Host, name: str) -> str | None:
    """ "active", "inactive", or None when there is no such storage pool. Raises HostError."""
    with asking("storage pools"):
        return _state(host.conn.listAllStoragePools(0), name)


def network_state(host: Host, name: str) -> str | None:
    """ "active", "inactive", or None when there is no such network. Raises HostError."""
    with asking("networks"):
        return _state(host.conn.listAllNetworks(0), name)


def _state(found: list[Any], name: str) -> str | None:
    one = next((one for one in found if one.name() == name), None)
    return None if one is None else "active" if one.isActive() else "inactive"
