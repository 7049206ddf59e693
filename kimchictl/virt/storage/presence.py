"""Whether what a template names is there: one call each, for who only wants to know; a look at a pool to be used."""

from shlex import quote
from typing import Any

from kimchictl.errors import NotFound, WrongState
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.networks import find_network
from kimchictl.virt.storage.pools import Pool, find_pool, show_pool


def pool_state(host: Host, name: str) -> str | None:
    """active or inactive; None if there is no such storage pool."""
    return _state(host, find_pool, f"pool {name!r}", name)


def network_state(host: Host, name: str) -> str | None:
    """active or inactive; None if there is no such network."""
    return _state(host, find_network, f"network {name!r}", name)


def has_bridge(host: Host, name: str) -> bool | None:
    """Whether the host has an interface of that name; None where its libvirt cannot tell."""
    try:
        host.conn.interfaceLookupByName(name)
    except host.lib.libvirtError as error:
        return False if is_code(error, "NO_INTERFACE") else None
    return True


def active_networks(host: Host) -> list[str]:
    """The names of the networks that are active, sorted."""
    with asking(f"host {host.uri}: network list"):
        return sorted(each.name() for each in host.conn.listAllNetworks(host.lib.VIR_CONNECT_LIST_NETWORKS_ACTIVE))


def usable_pool(host: Host, name: str) -> Pool:
    """The pool of that name, refreshed as soon as nobody else is at it. Raises NotFound, WrongState, Locked."""
    return require_usable(show_pool(host, name, patience=host.lock_timeout))


def require_usable(pool: Pool) -> Pool:
    """Raises WrongState for a pool that is inactive, or whose storage does not answer though it is active."""
    if not pool.active:
        said = f": {pool.error}" if pool.error else ""
        raise WrongState(f"pool {pool.name!r} is inactive{said}", f"kimchictl pool start {quote(pool.name)}")
    if not pool.reachable:
        again = f"make or mount {quote(pool.path)} again" if pool.path else "bring its storage back"
        hint = f"{again}; kimchictl pool show {quote(pool.name)} tells when it answers"
        raise WrongState(f"pool {pool.name!r} cannot be used: {pool.error}", hint)
    return pool


def _state(host: Host, find: Any, what: str, name: str) -> str | None:
    try:
        found = find(host, name)
    except NotFound:
        return None
    with asking(what):
        return "active" if found.isActive() else "inactive"
