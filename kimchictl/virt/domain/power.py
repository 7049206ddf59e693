"""The state of a domain, changed: each function returns False where it was so already.

A VM may change state by itself between the look and the act: what has become true meanwhile is no error.
"""

import time
from collections.abc import Callable
from shlex import quote
from typing import Any

from kimchictl.errors import Exists, InUse, TimedOut, WrongState
from kimchictl.virt.connection import Host, asking, is_code, once, translate
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.domainread import read_domain
from kimchictl.virt.domain.domains import check_name, find_domain, has_saved, names, state_of
from kimchictl.virt.domain.listing import ACTIVE, STARTING
from kimchictl.virt.storage import presence

POLL_SECONDS = 0.1
START_PATIENCE = 30.0  # seconds; libvirt itself waits that long for who is at the same VM
_DEAF = ("paused", "pmsuspended", "crashed")  # a guest that hears nothing
_LOCKED = 'Failed to get "write" lock'  # how qemu says it, through libvirt, which gives it no code of its own


def start(host: Host, name: str, paused: bool = False) -> bool:
    """Start it. Where somebody else does so already, wait for that.

    Raises WrongState if it is paused, TimedOut, whatever libvirt says if it does not start.
    """
    domain = find_domain(host, name)
    if _is_up(host, domain, name):
        return False
    try:
        domain.createWithFlags(host.lib.VIR_DOMAIN_START_PAUSED if paused else 0)
    except host.lib.libvirtError as error:
        if _LOCKED in (error.get_error_message() or ""):
            raise InUse(
                f"vm {name!r} does not start: another VM, or another program, has one of its disks open",
                f"kimchictl vm disk list {quote(name)} shows them, kimchictl volume list who else has them, "
                "kimchictl host check a guest that libvirt lost",
            ) from None
        if is_code(error, "OPERATION_INVALID") and _is_up(host, domain, name):  # somebody else was quicker
            return False
        raise translate(error, f"vm {name!r} does not start", _start_first(host, domain, name)) from None
    return True


def _is_up(host: Host, domain: Any, name: str) -> bool:
    """Whether it runs, when nobody is starting it any more."""
    wait_until(
        START_PATIENCE,
        f"vm {name!r} is being started already, and did not run",
        lambda: state_of(host, domain) != STARTING,
        f"kimchictl vm wait {quote(name)} running",
    )
    state = state_of(host, domain)
    if state == "paused":
        raise WrongState(f"vm {name!r} is paused", f"kimchictl vm resume {quote(name)}")
    return state in ACTIVE


def _start_first(host: Host, domain: Any, name: str) -> str | None:
    """The next step where the VM needs what is inactive or not there, or started from saved memory."""
    with asking(f"vm {name!r}"):
        said = read_domain(domain.XMLDesc(host.lib.VIR_DOMAIN_XML_INACTIVE), name)
    networks = [("network", nic.name) for nic in said.nics if nic.type == "network" and nic.name]
    pools = [("pool", disk.pool) for disk in said.disks if disk.pool]
    states = {"network": presence.network_state, "pool": presence.pool_state}
    for kind, needed in [*networks, *pools]:
        if states[kind](host, needed) == "inactive":
            return f"kimchictl {kind} start {quote(needed)}"
    for nic in said.nics:
        if nic.type == "bridge" and presence.has_bridge(host, nic.name or "") is False:
            return f"bridge {nic.name!r} is not there; kimchictl vm nic set {quote(name)} {nic.mac} --network NAME"
    if has_saved(host, domain):
        return f"it goes on from saved memory; kimchictl vm edit {quote(name)} --drop-saved lets it start anew"
    return None


def ask_to_stop(host: Host, name: str) -> bool:
    """Ask the guest to shut down. Raises WrongState if it is paused: it could not hear it."""
    domain = find_domain(host, name)
    state = state_of(host, domain)
    if state in ("shutoff", "gone"):
        return False
    if state in _DEAF:
        first = "" if state == "crashed" else f"kimchictl vm resume {quote(name)}, and then stop it; or cut its power: "
        hint = f"{first}kimchictl vm stop {quote(name)} --force"
        raise WrongState(f"vm {name!r} is {state} and cannot be asked", hint)
    with asking(f"vm {name!r} does not stop"):
        answered(name, domain.shutdown)
    return True


def power_off(host: Host, name: str) -> bool:
    """Cut its power."""
    domain = find_domain(host, name)
    if state_of(host, domain) in ("shutoff", "gone"):
        return False
    with asking(f"vm {domain.name()!r} does not stop"):
        try:
            domain.destroy()
        except host.lib.libvirtError as error:
            if not is_code(error, "OPERATION_INVALID", "NO_DOMAIN"):  # it went off by itself
                raise
    return True


def suspend(host: Host, name: str) -> bool:
    """Pause it. Raises WrongState if it is off."""
    domain = _running(host, name, "suspended", ("paused",))
    if domain is None:
        return False
    with asking(f"vm {name!r} cannot be suspended"):
        answered(name, domain.suspend)
    return True


def resume(host: Host, name: str) -> bool:
    """Let a paused one run on, or wake one that sleeps. Raises WrongState if it is off."""
    domain = _running(host, name, "resumed", ("running", "blocked", STARTING))
    if domain is None:
        return False
    with asking(f"vm {name!r} cannot be resumed"):
        if state_of(host, domain) == "pmsuspended":
            answered(name, lambda: domain.pMWakeup(0))
        else:
            answered(name, domain.resume)
    return True


def reboot(host: Host, name: str) -> None:
    """Ask the guest to reboot. Raises WrongState if it is off, or paused: it could not hear it."""
    domain = require_running(host, name, "rebooted")
    state = state_of(host, domain)
    if state in _DEAF:
        verb = "reset" if state == "crashed" else "resume"
        raise WrongState(f"vm {name!r} is {state} and cannot be asked", f"kimchictl vm {verb} {quote(name)}")
    with once(host), asking(f"vm {name!r} cannot be rebooted"):
        answered(name, lambda: domain.reboot(0))


def reset(host: Host, name: str) -> None:
    """Press its reset button; one that is paused stays so, which is said. Raises WrongState if it is off."""
    domain = require_running(host, name, "reset")
    paused = state_of(host, domain) == "paused"
    with once(host), asking(f"vm {name!r} cannot be reset"):
        answered(name, lambda: domain.reset(0))
    if paused:
        host.note(f"vm {name!r} is paused still, and starts anew when it runs on: kimchictl vm resume {quote(name)}")


def _running(host: Host, name: str, what: str, already: tuple[str, ...]) -> Any:
    """The domain, None if it is in one of the states `already`. Raises WrongState if it is off."""
    domain = find_domain(host, name)
    state = state_of(host, domain)
    if state in ("shutoff", "gone"):
        raise WrongState(f"vm {name!r} is {state} and cannot be {what}", f"kimchictl vm start {quote(name)}")
    return None if state in already else domain


def require_running(host: Host, name: str, what: str) -> Any:
    """The domain. Raises WrongState, saying that it cannot be `what`, if it is off."""
    return _running(host, name, what, ())


def set_autostart(host: Host, name: str, wanted: bool) -> bool:
    """Start it with the host, or not. Raises WrongState for a transient one."""
    domain = find_domain(host, name)
    if not domain.isPersistent():
        raise WrongState(f"vm {name!r} is transient: it is gone when it stops and cannot start by itself")
    with asking(f"vm {name!r}: autostart"):
        if bool(domain.autostart()) == wanted:
            return False
        domain.setAutostart(int(wanted))
    return True


def rename(host: Host, name: str, new: str) -> None:
    """Give a VM that is off another name. Raises Exists, WrongState, Invalid."""
    domain = require_renameable(host, name, new)
    with once(host), asking(f"vm {name!r} cannot be renamed"):
        domain.rename(new, 0)


def require_renameable(host: Host, name: str, new: str) -> Any:
    """The domain. Raises Exists, WrongState, Invalid where it cannot be called `new`."""
    domain = find_domain(host, name)
    check_name(new)
    if new != name and new in names(host):
        raise Exists(f"vm {new!r} already exists", "choose another name")
    state = state_of(host, domain)
    if state != "shutoff":
        raise WrongState(f"vm {name!r} is {state} and cannot be renamed", f"kimchictl vm stop {quote(name)}")
    return domain


def wait_until(seconds: float, what: str, is_so: Callable[[], bool], hint: str | None = None) -> None:
    """Poll until `is_so()`. Raises TimedOut, saying `what` did not happen, after `seconds`."""
    end = time.monotonic() + seconds
    pause = POLL_SECONDS
    while not is_so():
        left = end - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{what} within {seconds:g} s", hint)
        time.sleep(min(pause, left))
        pause = min(1.0, pause * 1.2)
