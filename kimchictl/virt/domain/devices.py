"""Devices of a domain that exists: found in its XML, attached, detached, changed; live and in its definition at once.

Scope     where a change goes: the running guest, the definition, or both
"""

import copy
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any, TypeVar

from kimchictl.errors import Disconnected, InUse, KimchiError, NotFound, TimedOut, WrongState
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, once, translate
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.definition import read_definition
from kimchictl.virt.domain.domains import find_domain, note_saved, state_of
from kimchictl.virt.domain.listing import ACTIVE

HOTPLUG = ("virtio", "scsi", "usb")  # buses that take a disk while a guest runs
PATIENCE = 5.0  # seconds for a guest to let go of a device
RETURN_PATIENCE = 5.0  # seconds for libvirtd to come back

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Scope:
    """The domain, and where changes to it go; `name` is its own, whatever it was asked for by."""

    domain: Any
    name: str
    live: bool
    config: bool

    def flags(self, host: Host) -> int:
        """VIR_DOMAIN_AFFECT_LIVE and _CONFIG."""
        return (host.lib.VIR_DOMAIN_AFFECT_LIVE if self.live else 0) | (
            host.lib.VIR_DOMAIN_AFFECT_CONFIG if self.config else 0
        )


def scope_of(host: Host, name: str, next_start: bool = False) -> Scope:
    """Both where it runs, the definition alone where it is off or `next_start`. Raises NotFound, WrongState."""
    domain = find_domain(host, name)
    running = state_of(host, domain) in ACTIVE
    persistent = bool(domain.isPersistent())
    if next_start and not persistent:
        raise WrongState(f"vm {name!r} is transient: it has no next start")
    return Scope(domain, domain.name(), running and not next_start, persistent)


def renewed(host: Host, scope: Scope) -> Scope:
    """`scope` over the connection that there is now: under a change it may have been made anew."""
    return replace(scope, domain=find_domain(host, scope.name))


def find_in(scope: Scope, find: Callable[[Scope], Found]) -> tuple[Scope, Found]:
    """What `find` finds in the guest, or else in its definition alone: it may have let go of it late; and where.

    Raises NotFound.
    """
    try:
        return scope, find(scope)
    except NotFound:
        if scope.live and scope.config:
            alone = replace(scope, live=False)
            with suppress(NotFound):
                return alone, find(alone)
        raise


def find_device(host: Host, scope: Scope, path: str, what: str, live: bool | None = None) -> xml.Element:
    """The device at `path` of the guest as it runs, or of its definition. Raises NotFound, saying `what`."""
    found = find_devices(host, scope, path, live)
    if not found:
        raise NotFound(f"vm {scope.name!r} has no {what}", f"kimchictl vm show {quote(scope.name)}")
    return found[0]


def find_devices(host: Host, scope: Scope, path: str, live: bool | None = None) -> list[xml.Element]:
    """All at `path`, such as "disk[@device='cdrom']"."""
    return read_definition(host, scope.domain, scope.live if live is None else live).findall(f"devices/{path}")


def machine_of(host: Host, scope: Scope) -> str:
    """Its machine, such as "pc-q35-7.2"; "" where that is not said."""
    kind = read_definition(host, scope.domain, scope.live).find("os/type")
    return (kind.get("machine") if kind is not None else None) or ""


def attach(host: Host, scope: Scope, device: xml.Element) -> None:
    """Plug `device` in. Both or neither: libvirt keeps the definition only if the guest took it."""
    before = {live: len(find_devices(host, scope, device.tag, live)) for live in (True, False) if _reaches(scope, live)}

    def lacking(now: Scope) -> Scope:
        """Where it is not yet: the answer alone may have been lost."""
        there = {live: len(find_devices(host, now, device.tag, live)) > before[live] for live in before}
        return replace(now, live=there.get(True) is False, config=there.get(False) is False)

    _surely(host, scope, lambda where: _attach(host, where, device), lacking)


def _attach(host: Host, scope: Scope, device: xml.Element) -> None:
    hint = "--next-start attaches it for when it starts anew; or stop it first"
    with asking(f"vm {scope.name!r} does not take the {device.tag}", hint if scope.live and scope.config else None):
        _ask(host, scope, lambda flags: scope.domain.attachDeviceFlags(xml.serialize(device), flags))
    note_saved(host, scope.domain)


def _reaches(scope: Scope, live: bool) -> bool:
    return scope.live if live else scope.config


def _surely(
    host: Host, scope: Scope, change: Callable[[Scope], None], left: Callable[[Scope], Scope] | None = None
) -> None:
    """`change(scope)`; where the connection breaks under it, what is `left` of it (None: all), when there is one again.

    Raises Unconfirmed if it breaks once more.
    """
    try:
        change(scope)
        return
    except KimchiError as error:
        if not isinstance(error, Disconnected) and host.is_alive:
            raise
    with once(host):
        host.reopen(RETURN_PATIENCE)
        host.note(f"vm {scope.name!r}: the connection to libvirt broke: looking what is left to do")
        now = renewed(host, scope)
        rest = left(now) if left is not None else now
        if rest.live or rest.config:
            change(rest)


def _ask(host: Host, scope: Scope, change: Callable[[int], object]) -> None:
    """`change` with the flags of `scope`; a guest that has gone off meanwhile has only its definition to be changed.

    Raises libvirtError, TimedOut.
    """
    try:
        answered(scope.name, lambda: change(scope.flags(host)))
    except host.lib.libvirtError as error:
        if not (scope.config and _is_off(host, scope, error)):
            raise
        answered(scope.name, lambda: change(host.lib.VIR_DOMAIN_AFFECT_CONFIG))


def _is_off(host: Host, scope: Scope, error: Any) -> bool:
    """Whether libvirt refused a change as the guest does not run any more."""
    return scope.live and is_code(error, "OPERATION_INVALID") and state_of(host, scope.domain) not in ACTIVE


def update(host: Host, scope: Scope, device: xml.Element, force: bool = False) -> None:
    """Give the device that `device` names its new content: another medium, another network.

    Raises InUse where a guest keeps the tray of a drive closed; with `force` it is not asked.
    """
    _surely(host, scope, lambda where: _update(host, where, device, force))


def _update(host: Host, scope: Scope, device: xml.Element, force: bool) -> None:
    forced = host.flag("DOMAIN_DEVICE_MODIFY_FORCE") if force else 0
    try:
        _ask(host, scope, lambda flags: scope.domain.updateDeviceFlags(xml.serialize(device), flags | forced))
    except host.lib.libvirtError as error:
        if "tray" in error.get_error_message():  # it has no code of its own
            raise InUse(
                f"the guest of vm {scope.name!r} has the medium in use and keeps the drive closed",
                "unmount it there, or --force takes it out; --next-start changes it for when it starts anew",
            ) from None
        raise translate(error, f"vm {scope.name!r}: the {device.tag} cannot be changed") from None
    note_saved(host, scope.domain)


def detach(host: Host, scope: Scope, path: str, what: str) -> xml.Element:
    """Unplug the device at `path`, from a running guest first: it has to let go of it. What it was.

    Raises NotFound; TimedOut where the guest does not, and then nothing has changed.
    """
    found = find_device(host, scope, path, what)
    _surely(host, scope, lambda where: _detach(host, where, found, path, what))
    return found


def _detach(host: Host, scope: Scope, found: xml.Element, path: str, what: str) -> None:
    """What has let go of it already is no error."""
    if scope.live:
        _unplug(host, scope, found, path, what)
    if scope.config:
        for each in find_devices(host, scope, path, live=False)[:1]:
            with asking(f"vm {scope.name!r}: {what} cannot be detached"):
                scope.domain.detachDeviceFlags(xml.serialize(each), host.lib.VIR_DOMAIN_AFFECT_CONFIG)
    note_saved(host, scope.domain)


def _unplug(host: Host, scope: Scope, found: xml.Element, path: str, what: str) -> None:
    with asking(f"vm {scope.name!r}: {what} cannot be detached while it runs"):
        try:
            document, live = xml.serialize(copy.deepcopy(found)), host.lib.VIR_DOMAIN_AFFECT_LIVE
            answered(scope.name, lambda: scope.domain.detachDeviceFlags(document, live))
        except host.lib.libvirtError as error:
            if not (is_code(error, "DEVICE_MISSING") or _is_off(host, scope, error)):
                raise
    end = time.monotonic() + PATIENCE
    while state_of(host, scope.domain) in ACTIVE and find_devices(host, scope, path, live=True):
        if time.monotonic() > end:
            raise TimedOut(
                f"the guest of vm {scope.name!r} does not let go of {what}",
                "is its system up? --next-start detaches it for when it starts anew; or stop it first",
            )
        time.sleep(0.1)


def free_target(host: Host, scope: Scope, bus: str) -> str:
    """The first target name of `bus` that neither the guest nor its definition has: vda, sda, hda..."""
    used = set()
    for live in {scope.live, not scope.config}:
        for each in find_devices(host, scope, "disk/target", live):
            used.add(each.get("dev"))
    prefix = {"virtio": "vd", "ide": "hd"}.get(bus, "sd")
    letters = [*map(chr, range(ord("a"), ord("z") + 1))]
    names = [*letters[:4]] if bus == "ide" else [*letters, *(a + b for a in letters for b in letters)]
    free = next((prefix + each for each in names if prefix + each not in used), None)
    if free is None:
        raise WrongState(f"vm {scope.name!r} has no place left on its {bus} bus", "use another bus")
    return free


def quoted(path: str, key: str, value: str) -> str:
    """A path with a predicate for a value that may hold anything but both kinds of quotes."""
    mark = '"' if "'" in value else "'"
    return f"{path}[@{key}={mark}{value.replace(mark, '')}{mark}]"
