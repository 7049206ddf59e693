"""Wait for what a VM is to become: running, off, reachable."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.virt.domain import domains, power

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

CONDITIONS = ("running", "off", "ip", "agent", "ssh")
_SENTENCES = {
    "running": "vm {!r} did not run",
    "off": "vm {!r} did not go off",
    "ip": "vm {!r} had no address",
    "agent": "the guest agent of vm {!r} did not answer",
    "ssh": "vm {!r} did not answer on port 22",
}


@dataclass(frozen=True, slots=True)
class Reached:
    """The guest's addresses; `address` is the one to take, of IPv4 where it has one."""

    name: str
    address: str
    addresses: tuple[str, ...]


def wait_for(host: "Host", name: str, condition: str, seconds: float) -> Reached | None:
    """Come back when `condition` (one of CONDITIONS) holds; with what it is reached by, if that is `ip`.

    Raises NotFound, TimedOut.
    """
    domain = domains.find_domain(host, name)
    found: list[str] = []

    def addressed() -> bool:
        found[:] = domains.addresses(host, domain)
        return bool(found)

    tests: dict[str, Callable[[], bool]] = {
        "running": lambda: domains.state_of(host, domain) in ("running", "blocked"),
        "off": lambda: domains.state_of(host, domain) in ("shutoff", "gone", "crashed"),
        "ip": addressed,
        "agent": lambda: domains.describe(host, domain.name()).agent_connected,
        "ssh": lambda: any(_answers(address) for address in domains.addresses(host, domain)),
    }
    hint = None if condition in ("running", "off") else f"kimchictl vm console {quote(name)}"
    power.wait_until(seconds, _SENTENCES[condition].format(domain.name()), tests[condition], hint)
    if condition != "ip":
        return None
    return Reached(domain.name(), min(found, key=lambda address: ":" in address), tuple(found))


def stop(host: "Host", name: str, seconds: float) -> bool:
    """Ask the guest to shut down and wait for it; False if it was off. Raises TimedOut if it does not obey."""
    if not power.ask_to_stop(host, name):
        return False
    domain = domains.find_domain(host, name)
    power.wait_until(
        seconds,
        f"vm {name!r} was asked to stop and did not",
        lambda: domains.state_of(host, domain) in ("shutoff", "gone"),
        f"cut its power: kimchictl vm stop {quote(name)} --force",
    )
    return True


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False
