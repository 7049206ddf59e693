"""Rounds of counters, over a connection that is opened when it is needed and opened anew when it broke.

A guest whose hypervisor hangs takes the connection with it over which it was asked first; over the next one libvirtd
leaves it out by itself, as long as that question is pending.
"""

from collections.abc import Callable

from kimchictl.errors import Disconnected, KimchiError
from kimchictl.virt.connection import Host
from kimchictl.virt.deadlines import within
from kimchictl.virt.stats import Round, measure

ROUND_TIMEOUT = 30.0  # seconds that libvirt may take for one round

Connect = Callable[[], Host]


class Rounds:
    """A context; `host` is a connection that is open already."""

    def __init__(self, connect: Connect, host: Host | None = None) -> None:
        self._connect, self._host = connect, host

    def __enter__(self) -> "Rounds":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def take(self) -> Round:
        """One round; once more where the connection broke under it. Raises KimchiError."""
        try:
            return self._take()
        except Disconnected:
            return self._take()

    def close(self) -> None:
        if self._host is not None:
            self._host.close()

    def _take(self) -> Round:
        if self._host is None:
            self._host = self._connect()
        host = self._host
        try:
            return within(ROUND_TIMEOUT, host.uri, lambda: measure(host))
        except KimchiError:
            self._host = None  # not closed: that could hang as well
            raise


def unheard(last: Round) -> str:
    """Who told nothing of itself, as a sentence; "" where all did."""
    if not last.unheard:
        return ""
    names = ", ".join(map(repr, last.unheard[:5])) + (", ..." if len(last.unheard) > 5 else "")
    return f"the hypervisor of vm {names} is busy or hangs: what its disks do is not known"
