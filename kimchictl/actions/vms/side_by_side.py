"""The same done to several VMs, side by side: libvirt takes its time for some of it, and a guest even more.

Nothing of it is undone: at a Ctrl-C what has begun goes on in libvirt.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from kimchictl.errors import KimchiError
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt.deadlines import Running

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

AT_ONCE = 4  # libvirtd takes five requests of one connection at a time: the fifth is for whoever else asks
GRACE = 2.0  # seconds that is waited, after a Ctrl-C, for what has begun

Result = TypeVar("Result")


class SideBySide(Generic[Result]):
    """`act(host, name)` for each of `names`, AT_ONCE at a time, on threads of their own.

    `host()` is asked for it before each: a connection may have broken meanwhile, and been made anew.
    """

    def __init__(self, host: Callable[[], "Host"], names: Sequence[str], act: Callable[["Host", str], Result]) -> None:
        self._host, self._act = host, act
        self._names = list(names)
        self._begun: dict[str, Running[Result]] = {}
        self._fetched: set[str] = set()

    def result(self, name: str) -> Result:
        """What came of that one, names being asked for in their order. Asked for once more, it is done once more."""
        if name in self._fetched:
            self._begin(name)
        self._begin_some()
        self._fetched.add(name)
        return self._begun[name].wait(None, f"vm {name!r}")

    def settle(self) -> None:
        """Come back when all are over, however; `result` tells what came of each."""
        for name in self._names:
            self._begin_some()
            self._begun[name].settle()

    def outcomes(self, names: Sequence[str]) -> Iterator[tuple[str, Result | KimchiError]]:
        """(name, result or error) of those of `names` that have begun; TimedOut for what goes on past GRACE."""
        end = time.monotonic() + GRACE
        for name, call in self._begun.items():
            if name in names:
                try:
                    yield name, call.wait(max(0.0, round(end - time.monotonic(), 1)), f"vm {name!r}")
                except KimchiError as error:
                    yield name, error

    def _begin_some(self) -> None:
        for name in self._names[len(self._begun) :]:
            if sum(not call.is_over for call in self._begun.values()) >= AT_ONCE:
                return
            self._begin(name)

    def _begin(self, name: str) -> None:
        host = self._host()
        with uninterrupted():  # what has begun is known to have
            self._begun[name] = Running(lambda: self._act(host, name))
