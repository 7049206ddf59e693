"""Several VMs: made one after another, started side by side, as a start takes ten times as long as all else.

Only the starts run on threads of their own; notes, undoing and signals are the main thread's. A VM that is not
finished when the whole ends, be it by a Ctrl-C, is taken back; those that are finished stay.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kimchictl.actions.vms.create.claim import Claim
from kimchictl.actions.vms.create.plan_vm import Request, VmPlan
from kimchictl.actions.vms.create.provision import Made, provision_named
from kimchictl.actions.vms.side_by_side import AT_ONCE
from kimchictl.actions.vms.undo import take_back
from kimchictl.errors import KimchiError
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt.deadlines import Running
from kimchictl.virt.domain import power

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(slots=True)
class _Half:
    """A VM on its way: `made` when it is defined, `error` if it could not be."""

    undo: ExitStack = field(default_factory=ExitStack)
    made: Made | None = None
    error: KimchiError | None = None
    start: Running[bool] | None = None


class Provisioning:
    """A context in which `finish` makes the VMs of `plans`, in their order; `start`: and starts them."""

    def __init__(
        self,
        host: "Host",
        request: Request,
        plans: Sequence[VmPlan],
        claim: Claim,
        start: bool,
        state_dir: str | None,
    ) -> None:
        self._host, self._request, self._claim = host, request, claim
        self._start, self._state_dir = start, state_dir
        self._waiting = list(reversed(plans))
        self._halves: dict[str, _Half] = {}
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._undo.__exit__(*exception)

    def finish(self, name: str) -> str:
        """The VM planned as `name`: what it is called. Raises whatever went wrong with it, with all of it undone."""
        while self._waiting and len(self._halves) < (AT_ONCE if self._start else 1):
            self._begin(self._waiting.pop())
        half = self._halves.pop(name)
        with half.undo:
            if half.made is None:
                raise half.error or AssertionError(name)
            if half.start is not None:
                half.start.wait(None, f"vm {name!r}")
            half.made.keep(half.undo)
        return half.made.name

    def _begin(self, plan: VmPlan) -> None:
        half = self._halves[plan.name] = _Half()
        self._undo.push(half.undo)
        try:
            half.made = provision_named(
                self._host, self._request, plan, half.undo, self._claim, self._state_dir, self._start
            )
        except KimchiError as error:
            half.undo.close()
            half.error = error
            return
        if self._start:
            self._begin_start(half, half.made.name)

    def _begin_start(self, half: _Half, name: str) -> None:
        host = self._host
        with uninterrupted():
            half.undo.callback(take_back, host, f"vm {name!r} still runs", lambda: power.power_off(host, name))
            half.start = Running(lambda: power.start(host, name))
            half.undo.callback(_ended, half.start)


def _ended(start: Running[bool]) -> None:
    """What has begun cannot be stopped on its way: only when it is over can it be undone."""
    with suppress(KimchiError):
        start.wait(None, "a start")
