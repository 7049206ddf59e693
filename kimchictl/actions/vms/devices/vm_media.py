"""Media in the CD-ROM drives of a VM that exists: inserted and ejected, while it runs too.

A medium is looked at before the old one is taken out; libvirt itself opens the new one first.
"""

import os
from contextlib import ExitStack
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.images.sources import split_source
from kimchictl.actions.storage.uses import uses_of
from kimchictl.actions.vms.create.findings import Findings
from kimchictl.actions.vms.create.plan_vm import Login
from kimchictl.actions.vms.create.preflight import find_medium
from kimchictl.actions.vms.create.provision import with_secret
from kimchictl.errors import InUse, NotFound, TimedOut, UsageError, WrongState
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt import xml
from kimchictl.virt.capabilities import read_capabilities
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import devices
from kimchictl.virt.domain.devices import Scope
from kimchictl.virt.domain.devicexml import add_medium
from kimchictl.virt.domain.domainplan import Medium, medium
from kimchictl.virt.secrets import forget_secret, forget_unneeded, named_by, unneeded_secrets

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def insert(
    host: "Host",
    name: str,
    source: str,
    target: str | None = None,
    next_start: bool = False,
    login: Login | None = None,
    force: bool = False,
) -> tuple[str, str | None, tuple[str, ...]]:
    """Put the image `source` into a drive, the first one where `target` is None: (drive, what was in it, notes).

    A VM without a drive gets one while it is off. `login` is for the server of a URL; libvirt keeps its password as
    long as the medium is in a drive. With `force` a guest is not asked for the old one.

    Raises NotFound, Invalid, Failed, WrongState, InUse.
    """
    scope = devices.scope_of(host, name, next_start)
    findings = Findings()
    found = find_medium(host, _medium(host, source), findings)
    drive = _drive(host, scope, target)
    if found.kind != "network":
        _require_unwritten(host, scope, source, found)
    uuid, named = scope.domain.UUIDString(), _secrets(host, scope)
    for usage in unneeded_secrets(host, uuid):
        forget_secret(host, usage)
        host.note(f"secret {usage!r} deleted: it was left from an insert that broke off")
    with ExitStack() as undo:
        if login is not None and found.kind == "network":
            found = with_secret(host, uuid, found, login, undo)
        with uninterrupted():
            try:
                place = _put(host, scope, drive, found, force)
            except TimedOut:  # libvirt is still at it, and will need the secret
                undo.pop_all()
                raise
            undo.pop_all()
    forget_unneeded(host, uuid, named)
    return place, _content(drive) if drive is not None else None, tuple(findings.notes)


def _put(host: "Host", scope: Scope, drive: xml.Element | None, found: Medium, force: bool) -> str:
    """Into the drive, or a new one; its target."""
    if drive is None:
        return _add_drive(host, scope, found)
    devices.update(host, scope, _filled(host, drive, found), force)
    return _target(drive)


def _require_unwritten(host: "Host", scope: Scope, source: str, found: Medium) -> None:
    """Raises InUse for what a VM has as a disk that it writes to: its guest would change what another one reads."""
    writers = uses_of(host, []).writers(found.location, source)
    if writers:
        others = ", ".join(f"vm {name!r}" for name in writers)
        copy = "kimchictl volume clone makes a copy of a disk, which a drive can hold"
        raise InUse(f"{source} is a disk of {others}, and no medium", copy)


def require_drive(host: "Host", name: str, target: str | None = None, next_start: bool = False) -> None:
    """Raises what would keep `insert` from finding or making a drive, before an image is fetched for it."""
    scope = devices.scope_of(host, name, next_start)
    if _drive(host, scope, target) is None:
        _require_off(scope)


def eject(
    host: "Host", name: str, target: str | None = None, next_start: bool = False, force: bool = False
) -> tuple[str, str | None]:
    """Empty a drive: (drive, what was in it), the latter None where it was empty.

    Raises NotFound, UsageError; InUse where the guest keeps it closed, but with `force`.
    """
    scope = devices.scope_of(host, name, next_start)
    drive = _drive(host, scope, target)
    if drive is None:
        raise NotFound(f"vm {scope.name!r} has no CD-ROM drive", f"kimchictl vm show {quote(scope.name)}")
    before = _content(drive)
    if before is not None:
        named = _secrets(host, scope)
        devices.update(host, scope, _filled(host, drive, None), force)
        forget_unneeded(host, scope.domain.UUIDString(), named)
    return _target(drive), before


def _secrets(host: "Host", scope: Scope) -> set[str]:
    with asking(f"vm {scope.name!r}"):
        return named_by(host, scope.domain)


def _medium(host: "Host", source: str) -> Medium:
    kind, rest = split_source(source)
    if kind == "path" and host.is_local:
        return medium(os.path.realpath(rest))
    return medium(source)


def _drive(host: "Host", scope: Scope, target: str | None) -> xml.Element | None:
    drives = devices.find_devices(host, scope, "disk[@device='cdrom']")
    if target is None:
        empty = [drive for drive in drives if _content(drive) is None]
        if len(drives) > 1 and len(empty) != 1:
            names = ", ".join(_target(drive) for drive in drives)
            raise UsageError(f"vm {scope.name!r} has several CD-ROM drives: {names}", "choose one with --target")
        candidates = empty if len(drives) > 1 else drives
        return candidates[0] if candidates else None
    found = next((drive for drive in drives if _target(drive) == target), None)
    if found is None:
        names = ", ".join(_target(drive) for drive in drives) or "none"
        raise NotFound(f"vm {scope.name!r} has no CD-ROM drive {target!r}", f"its drives are: {names}")
    return found


def _target(drive: xml.Element) -> str:
    found = drive.find("target")
    return (found.get("dev") if found is not None else None) or ""


def _content(drive: xml.Element) -> str | None:
    from kimchictl.virt.domain.domainread import location

    return location(drive.find("source"))


def _filled(host: "Host", drive: xml.Element, wanted: Medium | None) -> xml.Element:
    """The drive with another medium; its place on the bus stays."""
    target = drive.find("target")
    element = xml.Element("disk", type=wanted.kind if wanted else "file", device="cdrom")
    xml.add(element, "driver", name="qemu", type="raw")
    if wanted is not None:
        add_medium(element, wanted, read_capabilities(host).dac)
    xml.add(element, "target", dev=_target(drive), bus=target.get("bus") if target is not None else None)
    xml.add(element, "readonly")
    for tag in ("alias", "address"):
        if (kept := drive.find(tag)) is not None:
            element.append(kept)
    return element


def _require_off(scope: Scope) -> None:
    if scope.live:
        raise WrongState(
            f"vm {scope.name!r} has no CD-ROM drive and gets none while it runs", "--next-start, or stop it first"
        )


def _add_drive(host: "Host", scope: Scope, wanted: Medium) -> str:
    _require_off(scope)
    machine = devices.machine_of(host, scope)
    bus = "sata" if "q35" in machine else "ide" if machine.startswith("pc") else "scsi"
    place = devices.free_target(host, scope, bus)
    element = xml.Element("disk", type=wanted.kind, device="cdrom")
    xml.add(element, "driver", name="qemu", type="raw")
    add_medium(element, wanted, read_capabilities(host).dac)
    xml.add(element, "target", dev=place, bus=bus)
    xml.add(element, "readonly")
    devices.attach(host, scope, element)
    return place
