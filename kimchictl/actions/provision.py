"""Make the VM that a plan describes: volumes, definition, start. Each step knows how to undo itself.

Whatever goes wrong, an interrupt included, what was made so far is taken back, in reverse order; what cannot be taken
back is said.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from kimchictl.actions.plan_vm import PlannedVolume, Request, VmPlan
from kimchictl.actions.preflight import plan_vms
from kimchictl.errors import Exists, KimchiError
from kimchictl.virt import domains, power, volumes
from kimchictl.virt.domainxml import domain_xml
from kimchictl.virt.undefine import undefine_vm

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


ATTEMPTS = 20


def provision(host: "Host", plan: VmPlan, start: bool = False) -> str:
    """Make the VM and return its name. Raises whatever went wrong, with everything undone."""
    with ExitStack() as undo:
        made = [_make_volume(host, volume, undo) for volume in plan.volumes]
        disks = tuple(
            replace(disk, path=volume.path or disk.path, block=volume.type == "block")
            for disk, volume in zip(plan.domain.disks, made, strict=True)
        )
        _define(host, plan.name, domain_xml(replace(plan.domain, disks=disks)), undo)
        if start:
            undo.callback(_take_back, host, f"vm {plan.name!r} still runs", lambda: power.power_off(host, plan.name))
            power.start(host, plan.name)
        undo.pop_all()
    return plan.name


def provision_named(host: "Host", request: Request, plan: VmPlan, start: bool = False) -> str:
    """The same; where nobody named the VM and another process was quicker to take its name, under the next one."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return provision(host, plan, start)
        except Exists:
            if request.name is not None or not left:
                raise
        plans, findings = plan_vms(host, replace(request, count=1))
        findings.raise_all(f"vm {plans[0].name!r}")
        plan = plans[0]
    raise AssertionError("the last attempt returns or raises")


def _make_volume(host: "Host", planned: PlannedVolume, undo: ExitStack) -> volumes.Volume:
    with _uninterrupted():
        made = volumes.create_volume(
            host, planned.pool, planned.name, planned.capacity, planned.format, planned.base, planned.base_format
        )
        left = f"volume {planned.name!r} of pool {planned.pool!r} is left behind"
        undo.callback(_take_back, host, left, lambda: volumes.delete_volume(host, planned.pool, planned.name))
    return made


def _define(host: "Host", name: str, document: str, undo: ExitStack) -> None:
    with _uninterrupted():
        domains.define(host, name, document)
        undo.callback(_take_back, host, f"vm {name!r} is left behind", lambda: undefine_vm(host, name))


def _take_back(host: "Host", left: str, step: Callable[[], object]) -> None:
    try:
        step()
    except KimchiError as error:
        host.note(f"{left}: {error}")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold signals back until a step and its undo are one; only a process's main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
