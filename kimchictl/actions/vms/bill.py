"""The bill of a VM's end: what goes with it, and what stays.

Only what is the VM's alone goes: a disk that lies in a storage pool, that no other VM and no template names and that
backs no other image, as far as all pools can be looked at. Media, shared disks, backing files and files outside of any
pool stay. Its disks are those it has now, those of its next start, and those that its saved memory brings back.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kimchictl.actions.storage.listing import is_seed
from kimchictl.actions.storage.uses import Templates, Uses, look_around
from kimchictl.actions.storage.volume_use import children_among
from kimchictl.actions.vms.vm_usage import label
from kimchictl.errors import InUse
from kimchictl.virt import secrets
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.domain.nvram import nvram_path, nvram_sharers
from kimchictl.virt.domain.undefine import belongings_of
from kimchictl.virt.storage import pools
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Going:
    """One thing that goes with the VM: `kind` is disk, seed, nvram, tpm, snapshots, checkpoints, memory or secret.

    `what` is it in words; `size` is bytes; `pool` and `volume` are there for a disk and a seed.
    """

    kind: str
    what: str
    size: int | None = None
    pool: str | None = None
    volume: str | None = None


@dataclass(frozen=True, slots=True)
class Staying:
    """One thing that the VM names and that stays, and why.

    `kind` is disk, medium, backing or nvram; `what` is where it is.
    """

    kind: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What deleting the VM means. `running`: its power is cut first; `persistent`: it is there when it is off, too."""

    name: str
    uuid: str
    running: bool
    persistent: bool
    goes: tuple[Going, ...]
    stays: tuple[Staying, ...]


@dataclass(frozen=True, slots=True)
class _Drive:
    """What a VM has as `disks`, by one name or by several, and the volume that it is."""

    source: str
    volume: Volume | None
    disks: tuple[VmDisk, ...]

    @property
    def kind(self) -> str:
        return "disk" if any(disk.device in ("disk", "lun") for disk in self.disks) else "medium"


def make_bill(host: "Host", name: str, templates: Templates, keep_disks: bool = False) -> Bill:
    """Find out what goes with the VM and what stays, what `templates` name included. Raises NotFound."""
    domain = domains.find_domain(host, name)
    name = domain.name()
    said = list(domains.all_of(host, domain))
    uses = look_around(host, templates)
    if doubt := uses.doubt():
        host.note(doubt)
    goes: list[Going] = []
    stays: list[Staying] = []
    seed = next((each.origin.seed for each in said if each.origin.seed), None)
    drives = _drives(uses, [disk for each in said for disk in each.disks])
    for drive in drives:
        why = _why_kept(host, name, drive, seed, keep_disks) or unseen(uses)
        if drive.volume is None or why:
            stays.append(Staying(drive.kind, drive.source, why or _why_unknown(host, drive)))
        else:
            goes.append(_going("disk" if drive.kind == "disk" else "seed", drive.volume))
        stays += _below(name, drive, uses)
    if (ejected := _ejected(host, name, seed, drives, uses)) and not unseen(uses):
        goes.append(_going("seed", ejected))
    with asking(f"vm {name!r}"):
        about = (name, domain.UUIDString(), bool(domain.isActive()), bool(domain.isPersistent()))
    stays += _shared_nvram(host, name)
    return Bill(*about, (*goes, *_kept_for(host, name, domain)), tuple(dict.fromkeys(stays)))


def _drives(uses: Uses, disks: Iterable[VmDisk]) -> list[_Drive]:
    """What is in the drives, each once."""
    found: dict[str, _Drive] = {}
    for disk in disks:
        if disk.source is None:
            continue
        volume = uses.find(disk.source)
        key = label(volume) if volume else disk.source
        before = found.get(key, _Drive(disk.source, volume, ()))
        found[key] = _Drive(before.source, volume, (*before.disks, disk))
    return list(found.values())


def _going(kind: str, volume: Volume) -> Going:
    return Going(kind, label(volume), volume.allocation, volume.pool, volume.name)


def unseen(uses: Uses) -> str | None:
    """Why even a disk that nobody seems to need is kept: what it may back cannot be looked at."""
    pool = next(iter(uses.unseen), None)
    return f"pool {pool.name!r}, in which something may need it, cannot be looked at" if pool else None


def _why_kept(host: "Host", name: str, drive: _Drive, seed: str | None, keep_disks: bool) -> str | None:
    """Why what is in a drive is not the VM's to take along; None if it is.

    The cloud-init data at `seed`, POOL/VOLUME, were made for the VM, or for the one that it is a clone of.
    """
    if drive.kind != "disk":
        volume = drive.volume
        own = volume is not None and label(volume) == f"pool:{seed}" and not needing(volume, name)
        return None if own else "a medium"
    if keep_disks:
        return "the disks are kept"
    if any(disk.readonly for disk in drive.disks):
        return "it is only read"
    if any(disk.shareable for disk in drive.disks):
        return "a shared disk"
    return needing(drive.volume, name) if drive.volume is not None else None


def _why_unknown(host: "Host", drive: _Drive) -> str:
    """Why a drive's source is no volume, now that all pools have been looked at."""
    pool = next((disk.pool for disk in drive.disks if disk.pool), None)
    if pool is None and drive.source.startswith("/"):
        pool = next(iter(pools.pools_at(host, os.path.dirname(drive.source))), None)
    if pool is not None and pool in pools.names(host, active_only=True):
        return f"it is missing: pool {pool!r} has no such file"
    return "it is in no active storage pool"


def needing(volume: Volume, but: str | None = None) -> str | None:
    """Who needs the volume, `but` that VM, as a clause; None if nobody does."""
    if children := children_among(volume.used_by):
        return f"it backs {', '.join(children)}"
    if volume.templates:
        return f"named by template {', '.join(volume.templates)}"
    others = [user for user in volume.used_by if user != but]
    return f"used by {', '.join(others)}" if others else None


def _ejected(host: "Host", name: str, seed: str | None, drives: list[_Drive], uses: Uses) -> Volume | None:
    """The cloud-init data that were made for the VM, where they are in none of its drives any more."""
    volume = uses.find(f"pool:{seed}") if seed else None
    if volume is None or volume in [drive.volume for drive in drives] or needing(volume, name):
        return None
    return volume if is_seed(host, volume) else None


def _below(name: str, drive: _Drive, uses: Uses) -> Iterator[Staying]:
    """What backs a disk is not this VM's alone to take along; said is whether anything else needs it."""
    told = next((disk.backing[0] for disk in drive.disks if disk.backing), None)
    above, path = drive.volume, (drive.volume.backing if drive.volume else None) or told
    seen: set[str] = set()
    while path is not None and path not in seen:
        seen.add(path)
        found = uses.find(path)
        others = set(found.used_by) - {name, label(above) if above else ""} if found else {""}
        alone = ", and of no other disk" if not others else ""
        yield Staying("backing", path, f"a backing file{alone}")
        above, path = found, found.backing if found else None


def _shared_nvram(host: "Host", name: str) -> Iterator[Staying]:
    if (path := nvram_path(host, name)) and (others := nvram_sharers(host, name)):
        yield Staying("nvram", path, f"the variables of its firmware, used by {', '.join(sorted(others))}")


_VARIABLES = "the variables of its firmware, if it ever ran"


def _kept_for(host: "Host", name: str, domain: Any) -> Iterable[Going]:
    has = belongings_of(host, domain)
    uefi = has.nvram or (has.uefi and not host.is_test)  # libvirt before 9.2 shows no path of one that is off
    if uefi and not nvram_sharers(host, name):
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
    """Raises InUse if it is another VM, or something else goes, than what somebody agreed to; or it runs."""
    agreed, going = ({(each.kind, each.pool, each.volume) for each in bill.goes} for bill in (before, now))
    if before.uuid != now.uuid or agreed != going or (now.running and not before.running):
        raise changed(now.name)


def changed(name: str) -> InUse:
    """That what goes with the VM is not any more what was said."""
    return InUse(f"what goes with vm {name!r} has changed meanwhile", "see what goes now, and delete it again")
