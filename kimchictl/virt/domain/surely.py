"""What libvirt takes long over, as a guest's memory: neither a Ctrl-C nor a libvirtd that restarts ends it."""

from collections.abc import Callable
from shlex import quote
from typing import TypeVar

from kimchictl.errors import Disconnected, KimchiError
from kimchictl.virt.connection import Host, once
from kimchictl.virt.deadlines import Running
from kimchictl.virt.domain.devices import RETURN_PATIENCE

Result = TypeVar("Result")


def surely(host: Host, name: str, what: str, work: Callable[[], Result], done: Callable[[], Result | None]) -> Result:
    """`work()` on the VM `name`; where the connection breaks under it, what has been `done` of it, or it once more.

    Raises Unconfirmed if the connection breaks once more.
    """
    try:
        return _waited_for(host, name, what, work)
    except KimchiError as error:
        if not isinstance(error, Disconnected) and host.is_alive:
            raise
    with once(host):
        host.reopen(RETURN_PATIENCE)
        host.note(f"vm {name!r}: the connection to libvirt broke: looking whether it was done")
        found = done()
        return _waited_for(host, name, what, work) if found is None else found


def _waited_for(host: Host, name: str, what: str, work: Callable[[], Result]) -> Result:
    """`work()`; at a Ctrl-C it is said that libvirt does it to its end, which cannot be called off."""
    running = Running(work)
    try:
        return running.wait(None, name)
    except Exception:
        raise
    except BaseException:  # a signal's
        end = "was done by then" if running.is_over else "is not called off: libvirt goes on with it"
        host.note(f"vm {name!r}: {what} {end}; see kimchictl vm snapshot list {quote(name)}")
        raise
