"""A template of an installed VM: its disks are copied, and the copies back the disks of what is made of it.

web.qcow2 --copy--> web-base.qcow2 <-- the disks of VMs made from the template; nobody writes it
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.documents.create_template import Draft, Kept, keep, preview
from kimchictl.actions.documents.provenance import made
from kimchictl.actions.storage.clone_volume import clone_volume
from kimchictl.actions.storage.unfinished import Note, note_copy, take_back
from kimchictl.actions.vms.clone_plan import volume_of
from kimchictl.actions.vms.create.provision import undo_volume
from kimchictl.catalog.fields import MIN_MEMORY
from kimchictl.catalog.merge import merge
from kimchictl.catalog.naming import free_name, system_name
from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Disk
from kimchictl.catalog.templates import recommend
from kimchictl.errors import Invalid, WrongState
from kimchictl.locks.signals import uninterrupted
from kimchictl.media.naming.settings import settings_for
from kimchictl.media.records import Identity
from kimchictl.progress import SILENT, Progress
from kimchictl.units import GIB
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.definition import read_definition
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.domain.templateof import template_of
from kimchictl.virt.storage import volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.store import FileStore
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Installed:
    """A draft whose first disks are to be backed by copies of `disks`, those of the VM `vm`."""

    vm: str
    draft: Draft
    disks: tuple[Volume, ...]


def draft_from_vm(host: "Host", vm: str, name: str | None, changes: Changes) -> Installed:
    """What the template of the VM will be; nothing is copied yet.

    Raises NotFound, WrongState (it runs, a disk is in no pool), Invalid (it has no disk, a rule is broken).
    """
    domain = domains.find_domain(host, vm)
    vm = domain.name()
    state = domains.state_of(host, domain)
    if state != "shutoff":
        raise WrongState(f"vm {vm!r} is {state}: its disks cannot be copied", f"kimchictl vm stop {quote(vm)}")
    said, notes = template_of(read_definition(host, domain, secrets=False), vm)
    if (said.memory or MIN_MEMORY) < MIN_MEMORY:
        if "memory" not in changes.values:
            small = f"vm {vm!r} has {said.memory} MiB of memory"
            notes = (*notes, f"{small}: the template gets {MIN_MEMORY} MiB, the least that one can have")
        most = said.max_memory if (said.max_memory or 0) > MIN_MEMORY else None
        said = replace(said, memory=MIN_MEMORY, max_memory=most)
    drives = [disk for disk in domains.drives(host, domain, live=False) if disk.device == "disk" and disk.source]
    found = tuple(_readable(vm, disk, volume_of(host, vm, disk)) for disk in drives)
    identity = Identity(said.os_distro, said.os_version, said.os_arch)
    title = name if name is not None else system_name(identity, "", f"/{vm}")
    least = [max(-(-(volume.capacity or 0) // GIB), 1) for volume in found]
    disks = tuple(Disk(size, bus=disk.bus) for size, disk in zip(least, drives, strict=True))
    template = merge(replace(said, name=title, disks=disks), changes, f"template {title!r}")
    if not found or len(template.disks or ()) < len(found):
        raise Invalid(f"template {title!r}: vm {vm!r} has {len(found)} disks to copy, and each needs one that it backs")
    template = recommend(template, settings_for(identity), {**made("create"), "vm": vm})
    return Installed(vm, Draft(template, name is not None, notes), found)


def _readable(vm: str, disk: VmDisk, volume: Volume) -> Volume:
    """Raises Invalid for a raw disk that looks like something else: a copy of it would be taken for that."""
    if disk.format == "raw" and volume.format not in ("raw", "iso", None):
        looks = f"disk {disk.target!r} of vm {vm!r} is raw, and its guest has written the beginning of a"
        raise Invalid(f"{looks} {volume.format} image to it: no copy of it can back a disk")
    return volume


def keep_from_vm(
    host: "Host",
    store: "FileStore",
    installed: Installed,
    if_exists: str | None,
    progress: Progress = SILENT,
    state_dir: str | None = None,
) -> Kept:
    """Copy the disks and store the template. Whatever goes wrong, the copies are taken back.

    With `state_dir` there is a note of each copy until the template is stored, by which what a killed one left is taken
    back. Raises Exists before anything is copied, and what copying and storing raise.
    """
    foreseen = preview(store, installed.draft, if_exists)
    if foreseen.done == "skipped":
        return foreseen
    with ExitStack() as undo:
        notes: list[Note] = []

        def copied(base: Volume) -> None:
            with uninterrupted():
                notes.append(note_copy(host, state_dir, base, undo))
                undo_volume(host, base, undo)

        template = installed.draft.template
        disks = list(template.disks or ())
        for index, volume in enumerate(installed.disks):
            pool = disks[index].pool or volume.pool
            for sentence in take_back(host, state_dir, pool) if state_dir else ():
                host.note(sentence)
            name = _free_name(host, volume, pool, foreseen.template.name)
            base = clone_volume(host, volume.pool, volume.name, pool, name, progress, state_dir, copied)
            size = max(disks[index].size or 1, -(-(base.capacity or 0) // GIB))
            disks[index] = replace(disks[index], size=size, base=f"pool:{base.pool}/{base.name}")
        with uninterrupted():  # once it is stored, it needs them
            for note in notes:
                note.done()
            kept = keep(store, replace(installed.draft, template=replace(template, disks=tuple(disks))), if_exists)
            if kept.done != "skipped":
                undo.pop_all()
    return kept


def _free_name(host: "Host", volume: Volume, pool: str, template: str) -> str:
    """A name for a copy of `volume`, after the template."""
    ending = ".qcow2" if volume.format == "qcow2" else ".img"
    taken = {name.removesuffix(ending) for name in volumes.names(host, pool) if name.endswith(ending)}
    return free_name(f"{template}-base", taken) + ending
