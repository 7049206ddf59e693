"""Disks of a VM that exists: attached and detached.

A volume that another VM has is not attached without being told to: two systems that write to one disk destroy it.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.images.sources import split_source
from kimchictl.actions.storage.samefile import Names
from kimchictl.actions.storage.unfinished import require_whole
from kimchictl.actions.storage.uses import Templates, look_around
from kimchictl.actions.storage.volume_changes import require_known_chain
from kimchictl.actions.storage.volume_use import known_as_raw, require_seen
from kimchictl.actions.vms.devices.new_disk import attach_new
from kimchictl.actions.vms.devices.pending import ATTACH, compared
from kimchictl.errors import InUse, Invalid, KimchiError, NotFound, TimedOut, WrongState
from kimchictl.virt import xml
from kimchictl.virt.domain import devices, domains
from kimchictl.virt.domain.devices import Scope, free_target
from kimchictl.virt.domain.domainread import VmDisk
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class NewDisk:
    """What is to be attached: `source` a path or pool:POOL/VOLUME, or None and a new volume of `size` bytes.

    `format` of a file that is in no pool must be said: it is never guessed from what a guest may have written.
    """

    source: str | None = None
    size: int | None = None
    pool: str | None = None
    format: str | None = None
    bus: str | None = None
    readonly: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Attached:
    """A disk that is attached now. `made`: its volume is new."""

    target: str
    source: str
    made: bool


@dataclass(frozen=True, slots=True)
class ListedDisk(VmDisk):
    """A drive of a VM; of one that runs `pending` says what its next start does to it: attach, detach, change or None.

    `next_source` is what is in it from then on.
    """

    pending: str | None = None
    next_source: str | None = None


def list_disks(host: "Host", name: str) -> list[ListedDisk]:
    """All drives with their images, measured; of a running VM also those to come. Raises NotFound."""
    now, scope = domains.show_vm(host, name).disks, devices.scope_of(host, name)
    later = domains.drives(host, scope.domain, live=False) if scope.live and scope.config else now
    listed = []
    for disk, then, pending in compared(now, later, lambda disk: disk.target, _nature):
        place = (disk.pool, disk.volume)
        if pending == ATTACH and not disk.pool and disk.source:
            place = volumes.place_of(host, disk.source)
        shown = ListedDisk(**{each.name: getattr(disk, each.name) for each in fields(VmDisk)})
        listed.append(
            replace(shown, pool=place[0], volume=place[1], pending=pending, next_source=then.source if then else None)
        )
    return listed


def _nature(disk: VmDisk) -> object:
    """What makes it another disk. Of an empty drive that runs, libvirt tells no format."""
    form = disk.format if disk.source else None
    return disk.device, disk.bus, disk.source, form, disk.readonly, disk.shareable


def attach_disk(
    host: "Host",
    name: str,
    new: NewDisk,
    next_start: bool = False,
    state_dir: str | None = None,
    templates: Templates | None = None,
) -> Attached:
    """Attach a disk to the running guest and to its definition. A volume made for it goes again when that fails.

    By the notes in `state_dir` it is known whether one that is there is whole, by `templates` who needs it. Raises
    NotFound, InUse, WrongState, Invalid.
    """
    scope = devices.scope_of(host, name, next_start)
    if new.source is None and (new.size or 0) < 1:
        raise Invalid(f"a disk of {new.size or 0} bytes holds nothing", "write its size like 20G")
    bus = new.bus or _usual_bus(host, scope)
    if bus == "ide" and "q35" in devices.machine_of(host, scope):
        raise Invalid(f"vm {scope.name!r} is a machine q35, which has no IDE", "use --bus sata, scsi or virtio")
    if scope.live and bus not in devices.HOTPLUG:
        raise WrongState(
            f"vm {scope.name!r} runs, and its {bus} bus takes no disk meanwhile",
            "use --bus virtio, scsi or usb, --next-start, or stop it first",
        )
    target = free_target(host, scope, bus)
    if new.source is None:

        def attach(made: volumes.Volume) -> None:
            _attach(host, scope, _element(made.path or "", made.format or "raw", made.type, bus, target, new), bus)

        made = attach_new(host, scope.name, new.size or 0, new.pool, new.format, attach, state_dir)
        return Attached(target, f"pool:{made.pool}/{made.name}", True)
    path, form, kind = _existing(host, scope, new, state_dir, templates)
    _attach(host, scope, _element(path, form, kind, bus, target, new), bus)
    return Attached(target, new.source, False)


def _attach(host: "Host", scope: Scope, disk: xml.Element, bus: str) -> None:
    """Plug the disk in. The SCSI controller that libvirt would add by itself fits no running q35, nor has a driver."""
    controller = xml.Element("controller", type="scsi", index="0", model="virtio-scsi")
    new = bus == "scsi" and not devices.find_devices(host, scope, "controller[@type='scsi']")
    if new:
        devices.attach(host, scope, controller)
    try:
        devices.attach(host, scope, disk)
    except BaseException as error:
        if new and not isinstance(error, TimedOut):  # else the disk may come yet, and need it
            devices.detach(host, scope, "controller[@type='scsi']", "its new SCSI controller")
        raise


def _usual_bus(host: "Host", scope: Scope) -> str:
    """That of its first disk, where it takes one now; else virtio."""
    found = devices.find_devices(host, scope, "disk[@device='disk']/target")
    bus = (found[0].get("bus") if found else None) or "virtio"
    return bus if not scope.live or bus in devices.HOTPLUG else "virtio"


def _existing(
    host: "Host", scope: Scope, new: NewDisk, state_dir: str | None, templates: Templates | None
) -> tuple[str, str, str]:
    """(path, format, file or block) of what is there already."""
    kind, rest = split_source(new.source or "")
    if kind == "url":
        raise Invalid("a disk cannot be a URL", "kimchictl volume fetch gets it into a pool; vm cdrom insert takes one")
    if kind == "pool":
        pool, _, volume_title = rest.partition("/")
        found: volumes.Volume | None = volumes.find_volume(host, pool, volume_title)
    else:
        rest = os.path.realpath(rest) if host.is_local and not host.is_test else rest
        found = volumes.find_by_path(host, rest) or look_around(host).find(rest)
    if found is not None:
        if state_dir is not None:
            require_whole(host, state_dir, found)
        _require_free(host, scope, found.path or "", f"pool:{found.pool}/{found.name}", new, templates)
        return _of_volume(host, found, new)
    block = _is_block(rest) if host.is_local else rest.startswith("/dev/")
    if new.format is None and not block:
        raise Invalid(f"disk {rest!r} is in no active pool, so its format must be said", "--format raw or qcow2")
    _require_free(host, scope, rest, rest, new, templates)
    return rest, new.format or "raw", "block" if block else "file"


def _is_block(path: str) -> bool:
    """Whether the disk is a device, and no file. Raises NotFound; Invalid for what is neither."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise NotFound(f"disk {path!r} cannot be looked at: {error.strerror}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Invalid(f"disk {path!r} is neither a file nor a block device")
    return stat.S_ISBLK(mode)


def _of_volume(host: "Host", found: volumes.Volume, new: NewDisk) -> tuple[str, str, str]:
    if found.type not in ("file", "block") or found.path is None:
        raise Invalid(f"volume {found.name!r} is a {found.type}, not a disk")
    raw = found.format in (None, "raw", "iso", "unknown") or known_as_raw(host, found)
    form = new.format or ("raw" if raw or found.type == "block" else found.format or "raw")
    if form != "raw":
        require_known_chain(host, found)  # a guest could have written what its header names
    return found.path, form, found.type


def _require_free(host: "Host", scope: Scope, path: str, shown: str, new: NewDisk, templates: Templates | None) -> None:
    """Raises InUse where another VM, or this one, has it, unless all only read it or share it.

    And where the guest would write to what backs other disks, or those that a template makes: nobody may.
    """
    uses = look_around(host, templates)
    named, writers = uses.vms(path, shown), uses.writers(path, shown)
    if scope.name in named:
        raise InUse(f"vm {scope.name!r} has {shown} already")
    if not new.readonly:
        hint = f"{'--readonly --shared' if writers else '--readonly'} attaches it"
        if children := uses.children(path, shown):
            raise InUse(f"{shown} backs {', '.join(children)}, which would be destroyed", hint)
        if users := uses.templates_of(path, shown):
            whose = ", ".join(f"template {name!r}" for name in users)
            raise InUse(f"{shown} is in use by {whose}, whose VMs would get what this one writes", hint)
    if named and not (new.shared or (new.readonly and not writers)):
        others = ", ".join(f"vm {name!r}" for name in sorted(named))
        raise InUse(f"{shown} is in use by {others}", "--shared attaches it all the same")
    if not (new.readonly or new.shared):
        require_seen(shown, uses.unseen)


def _element(path: str, form: str, kind: str, bus: str, target: str, new: NewDisk) -> xml.Element:
    block = kind == "block"
    element = xml.Element("disk", type="block" if block else "file", device="disk")
    xml.add(
        element,
        "driver",
        name="qemu",
        type=form,
        discard="unmap",
        cache="none" if new.shared and form == "raw" else None,
    )
    xml.add(element, "source", **{"dev" if block else "file": path})
    xml.add(element, "target", dev=target, bus=bus)
    if new.readonly:
        xml.add(element, "readonly")
    if new.shared and form == "raw":
        xml.add(element, "shareable")  # in any other format qemu lets only one of them run at a time
    return element


def detach_disk(host: "Host", name: str, target: str, next_start: bool = False) -> str | None:
    """Detach the disk `target` (or that of this source); its image stays. What it was. Raises NotFound, TimedOut."""
    scope = devices.scope_of(host, name, next_start)
    scope, disk = devices.find_in(scope, lambda where: find_disk(host, where, target))
    if disk.device in ("cdrom", "floppy") and scope.live:
        eject = f"kimchictl vm cdrom eject {quote(scope.name)} takes its medium out"
        raise WrongState(f"vm {scope.name!r} runs, and a drive stays meanwhile", eject)
    devices.detach(host, scope, f"disk/target[@dev='{disk.target}']/..", f"disk {disk.target!r}")
    return disk.source


def find_disk(host: "Host", scope: Scope, wanted: str) -> VmDisk:
    """The disk of that target, or whose image is called so. Raises NotFound."""
    found = domains.drives(host, scope.domain, scope.live)
    disk = next((each for each in found if wanted in (each.target, each.source)), None)
    if disk is None:
        disk = next(iter(_with_image(host, wanted, found)), None)
    if disk is None:
        there = ", ".join(each.target for each in found) or "none"
        raise NotFound(f"vm {scope.name!r} has no disk {wanted!r}", f"its disks are: {there}")
    return disk


def _with_image(host: "Host", image: str, disks: Iterable[VmDisk]) -> Iterator[VmDisk]:
    """Those whose image somebody calls by a link, from a directory, or as a volume, which the definition may not."""
    kind, rest = split_source(image)
    if kind == "pool":
        pool, _, title = rest.partition("/")
        with suppress(KimchiError):  # it is not there (any more), and neither is such a disk
            rest = volumes.find_volume(host, pool, title).path or rest
    elif kind == "path" and "/" in rest:
        rest = os.path.abspath(rest) if host.is_local and not host.is_test else rest
    names = Names(host, [])
    every = list(disks)
    names.learn([rest, *(disk.source for disk in every)])
    for disk in every:
        named = disk.source and names(disk.source)
        if named == names(rest) or (disk.pool and _path_of(host, disk) == rest):
            yield disk


def _path_of(host: "Host", disk: VmDisk) -> str | None:
    with suppress(KimchiError):
        return volumes.find_volume(host, disk.pool or "", disk.volume or "").path
    return None
