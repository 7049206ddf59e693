"""The end of a VM: first the bill of what goes and what stays, then the act.

Only what is the VM's alone goes: a disk that lies in a storage pool, that no other VM names and that backs no other
image. Media, shared disks, backing files and files outside of any pool stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimchictl.actions.vms.vm_usage import Users, children_of, find_users
from kimchictl.errors import KimchiError
from kimchictl.virt import secrets
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import domains, power
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.undefine import belongings_of, undefine_vm
from kimchictl.virt.storage import pools, volumes

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


def make_bill(host: "Host", name: str, keep_disks: bool = False) -> Bill:
    """Find out what goes with the VM and what stays. Raises NotFound."""
    domain = domains.find_domain(host, name)
    name = domain.name()
    said = domains.describe(host, name)
    goes: list[Going] = []
    stays: list[Staying] = []
    own = [disk for disk in said.disks if disk.source is not None]
    users = find_users(host)
    others = [] if keep_disks else _all_volumes(host)
    for disk in own:
        found = "the disks are kept" if keep_disks and disk.device == "disk" else _keep_why(name, disk, users)
        if found == _MEDIUM and said.origin.seed and (made := _own_seed(host, name, disk, said.origin.seed, users)):
            goes.append(made)
            continue
        volume = None if found else _volume_of(host, disk)
        if volume is None:
            stays.append(Staying(disk.source or "", found or "it is in no active storage pool"))
        elif children := children_of(volume.path or "", others):
            stays.append(Staying(disk.source or "", f"it backs {', '.join(children)}"))
        else:
            what = f"pool:{volume.pool}/{volume.name}"
            goes.append(Going("disk", what, volume.allocation, volume.pool, volume.name))
        stays += [_below(host, name, below, users, others) for below in _backing(disk, volume)]
    return Bill(name, domains.state_of(host, domain) in ACTIVE, (*goes, *_kept_for(host, name)), tuple(stays))


_MEDIUM = "a medium"


def _own_seed(host: "Host", name: str, disk: VmDisk, seed: str, users: Users) -> Going | None:
    """The cloud-init data that were made for this VM, as they go with it; None if another one has them too."""
    volume = _volume_of(host, disk)
    if volume is None or f"{volume.pool}/{volume.name}" != seed or set(users.of(volume)) - {name}:
        return None
    return Going("disk", f"pool:{seed}", volume.allocation, volume.pool, volume.name)


def _below(host: "Host", name: str, path: str, users: Users, others: list[volumes.Volume]) -> Staying:
    """A backing file is not this VM's alone to take along; said is whether anything else needs it."""
    needed = len(children_of(path, others)) > 1 or users.of_path(path) - {name}
    return Staying(path, "a backing file" if needed or not others else "a backing file, and of no other disk")


def _keep_why(name: str, disk: VmDisk, users: Users) -> str | None:
    """Why a drive's image is not the VM's to take along; None if it is."""
    if disk.device != "disk":
        return _MEDIUM
    if disk.readonly:
        return "it is only read"
    if disk.shareable:
        return "a shared disk"
    named = users.by_source.get(disk.source or "", set()) - {name}
    return f"used by {', '.join(sorted(named))}" if named else None


def _volume_of(host: "Host", disk: VmDisk) -> volumes.Volume | None:
    try:
        if disk.pool and disk.volume:
            return volumes.find_volume(host, disk.pool, disk.volume)
        return volumes.find_by_path(host, disk.source or "")
    except KimchiError:
        return None  # its pool is inactive, or it is gone


def _backing(disk: VmDisk, volume: volumes.Volume | None) -> list[str]:
    chain = list(disk.backing)
    if volume is not None and volume.backing and volume.backing not in chain:
        chain.insert(0, volume.backing)
    return chain


def _all_volumes(host: "Host") -> list[volumes.Volume]:
    return [volume for pool in pools.names(host, active_only=True) for volume in volumes.list_volumes(host, pool)]


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


def remove(host: "Host", bill: Bill) -> None:
    """Do what `bill` says: power off, forget definition and secrets, delete disks. Raises the first error."""
    kept = secrets.secrets_of(host, bill.name)
    if bill.running:
        power.power_off(host, bill.name)
    undefine_vm(host, bill.name)
    for usage in kept:
        secrets.forget_secret(host, usage)
    for going in bill.goes:
        if going.pool and going.volume:
            with asking(f"vm {bill.name!r} is deleted, but not {going.what}"):
                volumes.delete_volume(host, going.pool, going.volume)
