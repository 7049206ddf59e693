"""The end of a VM: first the bill of what goes and what stays, then the act.

Only what is the VM's alone goes: a disk that lies in a storage pool, that no other VM and no template names and that
backs no other image, as far as all pools can be looked at. Media, shared disks, backing files and files outside of any
pool stay.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kimchictl.actions.storage.listing import is_seed
from kimchictl.actions.storage.uses import Templates, Uses, look_around
from kimchictl.actions.storage.volume_use import children_among
from kimchictl.actions.vms.findings import Findings
from kimchictl.actions.vms.vm_usage import label
from kimchictl.errors import Failed, InUse, NotFound
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt import secrets
from kimchictl.virt.domain import domains, power
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.undefine import belongings_of, undefine_vm
from kimchictl.virt.storage import volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Going:
    """One thing that goes with the VM: `kind` is disk, nvram, tpm, snapshots, checkpoints, memory or secret.

    `size` is bytes.
    """

    kind: str
    what: str
    size: int | None = None
    pool: str | None = None
    volume: str | None = None


@dataclass(frozen=True, slots=True)
class Staying:
    """One thing that the VM names and that stays, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What deleting `name` means. `running`: its power is cut first."""

    name: str
    running: bool
    goes: tuple[Going, ...]
    stays: tuple[Staying, ...]


def make_bill(host: "Host", name: str, templates: Templates, keep_disks: bool = False) -> Bill:
    """Find out what goes with the VM and what stays, what `templates` name included. Raises NotFound."""
    domain = domains.find_domain(host, name)
    name = domain.name()
    said = domains.describe(host, name)
    uses = look_around(host, templates)
    if doubt := uses.doubt():
        host.note(doubt)
    goes: list[Going] = []
    stays: list[Staying] = []
    seen: list[Volume] = []
    for disk in said.disks:
        volume = uses.find(disk.source)
        if disk.source is None or volume in seen:
            continue
        seen += [volume] if volume is not None else []
        why = _why_kept(name, disk, volume, said.origin.seed, keep_disks) or _unseen(uses)
        if volume is None or why:
            stays.append(Staying(disk.source, why or "it is in no active storage pool"))
        else:
            goes.append(_going(volume))
        stays += _below(name, disk, volume, uses)
    seed = uses.find(f"pool:{said.origin.seed}") if said.origin.seed else None
    if seed is not None and seed not in seen and is_seed(host, seed) and not (_needing(name, seed) or _unseen(uses)):
        goes.append(_going(seed))  # it was ejected
    return Bill(name, domains.state_of(host, domain) in ACTIVE, (*goes, *_kept_for(host, name)), tuple(stays))


def _going(volume: Volume) -> Going:
    return Going("disk", label(volume), volume.allocation, volume.pool, volume.name)


def _unseen(uses: Uses) -> str | None:
    """Why even a disk that nobody seems to need is kept: what it may back cannot be looked at."""
    pool = next(iter(uses.unseen), None)
    return f"pool {pool.name!r}, in which something may need it, cannot be looked at" if pool else None


def _why_kept(name: str, disk: VmDisk, volume: Volume | None, seed: str | None, keep_disks: bool) -> str | None:
    """Why what is in a drive is not the VM's to take along; None if it is.

    The cloud-init data at `seed`, POOL/VOLUME, were made for the VM, or for the one that it is a clone of.
    """
    if disk.device != "disk":
        own = volume is not None and label(volume) == f"pool:{seed}" and not _needing(name, volume)
        return None if own else "a medium"
    if keep_disks:
        return "the disks are kept"
    if disk.readonly:
        return "it is only read"
    if disk.shareable:
        return "a shared disk"
    return _needing(name, volume) if volume is not None else None


def _needing(name: str, volume: Volume) -> str | None:
    """Who but the VM needs the volume, as a clause; None if nobody does."""
    if children := children_among(volume.used_by):
        return f"it backs {', '.join(children)}"
    if volume.templates:
        return f"named by template {', '.join(volume.templates)}"
    others = [user for user in volume.used_by if user != name]
    return f"used by {', '.join(others)}" if others else None


def _below(name: str, disk: VmDisk, volume: Volume | None, uses: Uses) -> Iterator[Staying]:
    """What backs a disk is not this VM's alone to take along; said is whether anything else needs it."""
    above, path = volume, (volume.backing if volume else None) or next(iter(disk.backing), None)
    seen: set[str] = set()
    while path is not None and path not in seen:
        seen.add(path)
        found = uses.find(path)
        others = set(found.used_by) - {name, label(above) if above else ""} if found else {""}
        alone = ", and of no other disk" if not others else ""
        yield Staying(path, f"a backing file{alone}")
        above, path = found, found.backing if found else None


_VARIABLES = "the variables of its firmware, if it ever ran"


def _kept_for(host: "Host", name: str) -> Iterable[Going]:
    has = belongings_of(host, domains.find_domain(host, name))
    if has.nvram or (has.uefi and not host.is_test):  # libvirt before 9.2 shows no path of one that is off
        yield Going("nvram", f"the variables of its firmware ({has.nvram})" if has.nvram else _VARIABLES)
    if has.tpm:
        yield Going("tpm", "the state of its TPM")
    if has.snapshots:
        yield Going("snapshots", f"{has.snapshots} snapshot{'s' if has.snapshots > 1 else ''}")
    if has.checkpoints:
        yield Going("checkpoints", f"{has.checkpoints} checkpoints")
    if has.saved:
        yield Going("memory", "its saved memory")
    for usage in secrets.secrets_of(host, name):
        yield Going("secret", f"the password of its image's server (libvirt secret {usage})")


def require_same(before: Bill, now: Bill) -> None:
    """Raises InUse if something else goes than what somebody agreed to, who may have thought for long; or it runs."""
    agreed, going = ({(each.kind, each.pool, each.volume) for each in bill.goes} for bill in (before, now))
    if agreed != going or (now.running and not before.running):
        raise InUse(f"what goes with vm {now.name!r} has changed meanwhile", "see what goes now, and delete it again")


def remove(host: "Host", bill: Bill) -> None:
    """Do what `bill` says: power off, forget definition and secrets, delete disks. Raises Failed with all that stays.

    With the definition gone nobody knows any more what else is to go: nothing stops it there.
    """
    kept = secrets.secrets_of(host, bill.name)
    if bill.running:
        power.power_off(host, bill.name)
    left = Findings()
    with uninterrupted():
        undefine_vm(host, bill.name)
        for usage in kept:
            left.check(partial(secrets.forget_secret, host, usage))
        for going in bill.goes:
            if going.pool and going.volume:
                left.check(partial(_delete, host, going.pool, going.volume))
    if left.problems:
        raise Failed(f"vm {bill.name!r} is deleted, but not all that was its own: {'; '.join(map(str, left.problems))}")


def _delete(host: "Host", pool: str, volume: str) -> None:
    with suppress(NotFound):  # somebody else was quicker
        volumes.delete_volume(host, pool, volume)
