"""What a command line names, looked up on the host: a pool or network that is missing is refused, inactive is said.

A named host (-c) is also asked for its memory: a template that it could never run is refused.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Template
from kimchictl.errors import HostError, Invalid, NotFound

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def check_names(host: Callable[[], "Host"], changes: Changes, note: Callable[[str], None]) -> None:
    """Ask the host about what `changes` name; nobody is asked where they name nothing. Raises NotFound.

    Without a host it is a note: the template may be for another one.
    """
    pools, networks = names_in(changes)
    if not pools and not networks:
        return
    named = ", ".join([*(f"pool {name!r}" for name in pools), *(f"network {name!r}" for name in networks)])
    try:
        from kimchictl.virt.storage import presence

        connection = host()
        states = [("pool", name, presence.pool_state(connection, name)) for name in pools]
        states += [("network", name, presence.network_state(connection, name)) for name in networks]
    except HostError as error:
        note(f"not checked whether there is {named}: {error}")
        return
    for noun, name, state in states:
        if state is None:
            raise NotFound(f"no {noun} {name!r} on this host", f"kimchictl {noun} list shows those there are")
        if state != "active":
            note(f"{noun} {name!r} is not active: kimchictl {noun} start {name}")


def names_in(changes: Changes) -> tuple[list[str], list[str]]:
    """The storage pools and the libvirt networks that options name, each once."""
    pools = [change.values["pool"] for change in changes.disks or () if change.values.get("pool")]
    interfaces = changes.values.get("networks") or []
    networks = [one["name"] for one in interfaces if one["type"] == "network" and one.get("name")]
    return list(dict.fromkeys(pools)), list(dict.fromkeys(networks))


def check_memory(host: Callable[[], "Host"], template: Template, note: Callable[[str], None]) -> None:
    """Raises Invalid for a template that wants more memory than the host has. Without a host it is a note."""
    try:
        problem = memory_problem(host(), template)
    except HostError as error:
        note(f"not checked whether the host has the memory: {error}")
        return
    if problem:
        raise Invalid(f"template {template.name!r}: {problem}")


def memory_problem(host: "Host", template: Template) -> str | None:
    """That the template wants more memory than the host has, with both amounts; None when it does not."""
    from kimchictl.virt.capabilities import host_memory

    key = "max_memory" if (template.max_memory or 0) > (template.memory or 0) else "memory"
    wanted, there = getattr(template, key) or 0, host_memory(host)
    return f"{key} {wanted} MiB is above the {there} MiB of the host" if wanted > there else None
