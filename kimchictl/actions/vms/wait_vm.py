"""Wait for what a VM is to become: running, off, reachable."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.errors import NotFound, TimedOut
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
# What lets a VM run that is in one of these states.
_HINTS = {"shutoff": "start", "paused": "resume", "pmsuspended": "resume", "crashed": "reset"}


@dataclass(frozen=True, slots=True)
class Reached:
    """The guest's addresses; `address` is the one to take, of IPv4 where it has one."""

    name: str
    address: str
    addresses: tuple[str, ...]


def wait_for(host: "Host", name: str, condition: str, seconds: float) -> Reached | None:
    """Come back when `condition` (one of CONDITIONS) holds; with what it is reached by, if that is `ip`.

    One that is off is waited for, too: somebody may be about to start it. Raises NotFound, TimedOut.
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
    state = domains.state_of(host, domain)
    if condition != "off" and state in _HINTS:
        host.note(f"vm {domain.name()!r} is {state}: waiting for it to run")
    try:
        power.wait_until(seconds, _SENTENCES[condition].format(domain.name()), tests[condition])
    except TimedOut as error:
        raise _explained(error, condition, domain.name(), domains.state_of(host, domain)) from None
    if condition != "ip":
        return None
    return Reached(domain.name(), min(found, key=lambda address: ":" in address), tuple(found))


def _explained(error: TimedOut, condition: str, name: str, state: str) -> TimedOut:
    """`error` with the state that the VM is in, where that is why, and the command that helps there."""
    if condition == "off":
        return error
    if state in _HINTS:
        return TimedOut(f"{error}: it is {state}", f"kimchictl vm {_HINTS[state]} {quote(name)}")
    return error if condition == "running" else TimedOut(str(error), f"kimchictl vm console {quote(name)}")


def wait_off(host: "Host", name: str, seconds: float, end: float) -> bool:
    """True when it is off, which it was asked for `seconds` before `end`, of time.monotonic(). Raises TimedOut."""
    try:
        domain = domains.find_domain(host, name)
    except NotFound:
        return True  # a transient one is gone
    try:
        power.wait_until(
            max(0.0, end - time.monotonic()), "", lambda: domains.state_of(host, domain) in ("shutoff", "gone")
        )
    except TimedOut:
        hint = f"cut its power: kimchictl vm stop {quote(name)} --force"
        raise TimedOut(f"vm {name!r} was asked to stop and did not within {seconds:g} s", hint) from None
    return True


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4).startswith(b"SSH")
    except OSError:
        return False
