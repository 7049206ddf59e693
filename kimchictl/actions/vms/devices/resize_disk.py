"""A disk of a VM made larger, or smaller where that can be."""

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.volume_changes import resize_volume
from kimchictl.actions.vms.devices.vm_disks import find_disk
from kimchictl.actions.vms.vm_usage import disk_volume
from kimchictl.errors import KimchiError, WrongState
from kimchictl.units import format_size
from kimchictl.virt.connection import asking
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain import devices, domains
from kimchictl.virt.domain.devices import Scope
from kimchictl.virt.domain.domainread import VmDisk

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Resize:
    """What is to become of a disk; `before` and `after` are bytes."""

    scope: Scope
    disk: VmDisk
    before: int
    after: int


def plan_resize(host: "Host", name: str, target: str, wanted: Callable[[int], int]) -> Resize:
    """`wanted` makes the new size of the present one. Raises NotFound, and WrongState with why it cannot be."""
    scope = devices.scope_of(host, name)
    disk = find_disk(host, scope, target)
    subject = f"disk {disk.target!r} of vm {scope.name!r}"
    if disk.device != "disk" or disk.source is None:
        raise WrongState(f"{disk.target!r} of vm {scope.name!r} is a {disk.device} and has no size of its own")
    with asking(subject):
        now = int(answered(scope.name, lambda: scope.domain.blockInfo(disk.target))[0])
    plan = Resize(scope, disk, now, wanted(now))
    if scope.live and plan.after < now:
        raise WrongState(
            f"vm {scope.name!r} runs, and disk {disk.target!r} has {format_size(now)}: it cannot shrink now"
        )
    if disk.format == "qcow2" and domains.snapshot_names(host, scope.domain):
        hint = f"kimchictl vm snapshot list {quote(scope.name)}"
        raise WrongState(f"{subject} has snapshots and cannot be resized", hint)
    if domains.has_saved(host, scope.domain):
        start, drop = (f"kimchictl vm {verb} {quote(scope.name)}" for verb in ("start", "edit"))
        hint = f"start it first: {start}; or, as if its power had been cut: {drop} --drop-saved"
        raise WrongState(f"vm {scope.name!r} has saved memory, in which {disk.target!r} has {format_size(now)}", hint)
    return plan


def resize_disk(host: "Host", plan: Resize) -> None:
    """Do it. Raises WrongState, Invalid, Failed."""
    scope, target = devices.renewed(host, plan.scope), plan.disk.target
    subject = f"disk {target!r} of vm {scope.name!r} cannot be resized"
    if scope.live:
        flags = host.lib.VIR_DOMAIN_BLOCK_RESIZE_BYTES
        with asking(subject):
            answered(scope.name, lambda: scope.domain.blockResize(target, plan.after, flags))
        return
    try:
        found = disk_volume(host, plan.disk)
    except KimchiError as error:
        raise WrongState(f"{subject} while it is off: {error}", "start it") from None
    if found is None:
        raise WrongState(f"{subject} while it is off: {plan.disk.source} is in no active pool", "start it")
    resize_volume(host, found, plan.after, shrink=True)
