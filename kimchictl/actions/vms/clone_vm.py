"""A copy of a VM that is off: full, with disks of its own, or linked, with overlays on disks that nobody writes again.

    full      web.qcow2 --copy--> web-clone1.qcow2
    linked    web.qcow2 <-- web-1.qcow2          the source writes here from now on
                        <-- web-clone1.qcow2     and the clone here; web.qcow2 is only read

UUID, addresses and TPM state are new; the NVRAM is a copy, as by its boot entries the system is found. Whatever goes
wrong, all that was made is taken back.
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kimchictl import files
from kimchictl.actions.host.notes import DIRECTORY
from kimchictl.actions.storage import unfinished
from kimchictl.actions.storage.clone_volume import clone_volume
from kimchictl.actions.vms.carry_nvram import copied
from kimchictl.actions.vms.clone_plan import ClonePlan, require_as_planned
from kimchictl.actions.vms.create.plan_vm import PlannedVolume, volume_name
from kimchictl.actions.vms.create.provision import define_vm, make_volume, new_uuid, undo_volume
from kimchictl.actions.vms.create.unfinished import Note, note_for, sweep
from kimchictl.actions.vms.undo import take_back
from kimchictl.errors import InUse
from kimchictl.locks import Lock
from kimchictl.locks.signals import uninterrupted
from kimchictl.progress import SILENT, Progress
from kimchictl.virt import xml
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.copydomain import as_clone, put_image
from kimchictl.virt.domain.definition import parse, redefine
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.secrets import share_secrets
from kimchictl.virt.storage import volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def sweep_clones(host: "Host", name: str, new: str | None, state_dir: str) -> list[str]:
    """Take back what killed processes left of VMs, one with the name of the clone too: a sentence for each."""
    return sweep(host, state_dir, lambda found: found == new if new is not None else found.startswith(f"{name}-clone"))


def sweep_copies(host: "Host", plan: ClonePlan, pool: str | None, state_dir: str) -> list[str]:
    """Take back what killed processes left of copies in the pools of the clone: a sentence for each."""
    pools = {pool} if pool is not None else {volume.pool for _, volume in plan.own}
    return [said for each in sorted(pools) for said in unfinished.take_back(host, state_dir, each)]


def clone_vm(
    host: "Host",
    plan: ClonePlan,
    pool: str | None = None,
    linked: bool = False,
    progress: Progress = SILENT,
    state_dir: str | None = None,
) -> str:
    """Make the clone and return its name; its disks in `pool` (None: each where its original is).

    With `state_dir` there is a note of it meanwhile, by which the next one cleans up if this process is killed. Raises
    whatever went wrong, with everything undone.
    """
    uuid = new_uuid()
    clone = as_clone(parse(plan.before, f"vm {plan.source!r}"), plan.name, uuid)
    note = note_for(state_dir, host, plan.name, goes_on=True)
    with ExitStack() as undo:
        undo.callback(note.done)
        if linked:
            # The source first: both would write to the same disk if this were killed between the two.
            _link(host, plan, undo, note, state_dir)
        making = _Making(host, plan.name, pool, undo, note)
        for disk, volume in plan.own:
            made = making.overlay(disk, volume) if linked else making.copy(disk, volume, progress, state_dir)
            put_image(clone, disk.target, made.path or "", made.format or "raw", made.type)
        if not linked:
            require_as_planned(host, plan)
        document = xml.serialize(clone)
        share_secrets(host, document, uuid)
        with copied(host, plan.source, plan.name, state_dir):
            define_vm(host, plan.name, document, undo, note, uuid)
        with uninterrupted():
            undo.pop_all()
            note.done()
    return plan.name


def _link(host: "Host", plan: ClonePlan, undo: ExitStack, note: Note, state_dir: str | None) -> None:
    """New disks for the source, upon those that it has. Raises InUse where somebody else is at it."""
    source = parse(plan.before, f"vm {plan.source!r}")
    with ExitStack() as making:
        own = [_Making(host, plan.source, None, making, note).overlay(disk, volume) for disk, volume in plan.own]
        for (disk, _), overlay in zip(plan.own, own, strict=True):
            put_image(source, disk.target, overlay.path or "", "qcow2", "file")
        with _one_at_a_time(host, state_dir), uninterrupted():
            require_as_planned(host, plan)
            making.pop_all()
            left = f"vm {plan.source!r} keeps its new disks"
            undo.callback(take_back, host, left, lambda: _unlink(host, plan, own), note.keep)
            redefine(host, plan.source, source)  # it may have them, though it fails: the answer alone can be lost
    domain = domains.find_domain(host, plan.source)
    if domains.state_of(host, domain) != "shutoff" and _on(host, domain, (volume for _, volume in plan.own), live=True):
        raise InUse(f"vm {plan.source!r} was started while it was cloned", "clone it again when it is off")


def _one_at_a_time(host: "Host", state_dir: str | None) -> AbstractContextManager[Any]:
    """Two that give one source new disks: what the guest wrote to those of the first would be lost with the second."""
    if state_dir is None or host.is_test:
        return nullcontext()
    directory = os.path.join(state_dir, DIRECTORY)
    files.make_directory(directory)
    return Lock(os.path.join(directory, ".linking"), "the linked clones", host.lock_timeout)


def _unlink(host: "Host", plan: ClonePlan, own: list[Volume]) -> None:
    """The source as it was before, if its guest does not run on its new disks. Raises InUse."""
    domain = domains.find_domain(host, plan.source)
    if domains.state_of(host, domain) != "shutoff" and _on(host, domain, own, live=True):
        raise InUse(f"it was started in the meantime, and writes to {own[0].name!r}")
    if _on(host, domain, own, live=False):
        redefine(host, plan.source, parse(plan.before, plan.source))
    for volume in own:
        if not unfinished.in_use(host, volume):
            volumes.delete_volume(host, volume.pool, volume.name)


def _on(host: "Host", domain: Any, own: Iterable[Volume], live: bool) -> bool:
    """Whether one of the volumes is a disk of the guest that runs, or of its definition."""
    return not {volume.path for volume in own}.isdisjoint(disk.source for disk in domains.drives(host, domain, live))


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes volumes for `vm`, in `pool` (None: each beside its original), which are noted, and undone with all else."""

    host: "Host"
    vm: str
    pool: str | None
    undo: ExitStack
    note: Note

    def overlay(self, disk: VmDisk, volume: Volume) -> Volume:
        """What the domain says of the format counts: the beginning of a raw disk is whatever its guest wrote."""
        pool = self.pool or volume.pool
        name, size = _free(self.host, self.vm, "qcow2", pool), volume.capacity or 0
        planned = PlannedVolume(pool, name, "", size, "qcow2", volume.path, disk.format)
        return make_volume(self.host, planned, self.undo, self.note)

    def copy(self, disk: VmDisk, volume: Volume, progress: Progress, state_dir: str | None) -> Volume:
        """It takes long, can be interrupted, and has a note of its own until it is on that of the VM."""
        pool = self.pool or volume.pool
        name = _free(self.host, self.vm, disk.format or "raw", pool)
        return clone_volume(self.host, volume.pool, volume.name, pool, name, progress, state_dir, self._copied)

    def _copied(self, made: Volume) -> None:
        with uninterrupted():
            undo_volume(self.host, made, self.undo, self.note.keep)
            self.note.has(made.pool, made.name, made.capacity)


def _free(host: "Host", vm: str, form: str, pool: str) -> str:
    return volume_name(vm, form, volumes.names(host, pool))
