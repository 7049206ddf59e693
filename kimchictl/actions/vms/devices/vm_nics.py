"""Interfaces of a VM that exists: attached, detached, moved to another network, unplugged and plugged in."""

import re
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.vms.create.preflight import lacks_bridge, no_bridge, require_network
from kimchictl.actions.vms.devices.pending import ATTACH, compared
from kimchictl.catalog.records import Network
from kimchictl.errors import Invalid, NotFound, UsageError, WrongState
from kimchictl.virt import xml
from kimchictl.virt.connection import once
from kimchictl.virt.domain import devices
from kimchictl.virt.domain.devices import Scope
from kimchictl.virt.domain.domainread import VmNic, read_nic
from kimchictl.virt.models import require_nic_model

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Nic:
    """An interface with its number, by which it can be named. `link` is up or down.

    `pending` is what the next start of a running VM does to it: attach, detach, change or None. Of one to attach,
    `index` is None.
    """

    index: int | None
    mac: str | None
    type: str
    name: str | None
    model: str | None
    target: str | None
    link: str
    pending: str | None = None


def list_nics(host: "Host", name: str) -> list[Nic]:
    """The interfaces in their order; of a running VM also those to come. Raises NotFound."""
    scope = devices.scope_of(host, name)
    now = list_nics_of(host, scope)
    if not (scope.live and scope.config):
        return now
    later = list_nics_of(host, replace(scope, live=False))
    return [
        replace(nic, pending=pending, index=None if pending == ATTACH else nic.index)
        for nic, _, pending in compared(now, later, lambda nic: nic.mac, _nature)
    ]


def _nature(nic: Nic) -> object:
    """What makes it another interface; its `target` on the host it has only while it runs."""
    return nic.type, nic.name, nic.model, nic.link


def _all(host: "Host", scope: Scope) -> list[xml.Element]:
    return devices.find_devices(host, scope, "interface")


def _nic(number: int, element: xml.Element) -> Nic:
    said: VmNic = read_nic(element)
    link = element.find("link")
    state = link.get("state", "up") if link is not None else "up"
    return Nic(number, said.mac, said.type, said.name, said.model, said.target, state)


def attach_nic(host: "Host", name: str, network: Network, mac: str | None = None, next_start: bool = False) -> Nic:
    """Plug one in. Raises NotFound, WrongState, Invalid, also for an address that another VM has."""
    scope = devices.scope_of(host, name, next_start)
    _require(host, scope, network)
    found = _all(host, scope)
    model = network.model or (read_nic(found[0]).model if found else None) or "virtio"
    _require_model(host, scope, model)
    element = xml.Element("interface", type=network.type)
    if mac is not None:
        xml.add(element, "mac", address=checked_mac(host, scope, mac))
    if network.type != "user":
        xml.add(element, "source", **{network.type: network.name})
    xml.add(element, "model", type=model)
    before = {each.mac for each in list_nics_of(host, scope)}
    devices.attach(host, scope, element)
    with once(host):
        added = list_nics_of(host, devices.renewed(host, scope))
    return next((each for each in added if each.mac not in before), added[-1])


def _require(host: "Host", scope: Scope, network: Network) -> None:
    """Raises NotFound, WrongState for a network that is not there; a bridge may be when the guest starts."""
    if network.type == "network":
        require_network(host, network.name or "")
    elif lacks_bridge(host, network):
        if scope.live:
            raise NotFound(f"bridge {network.name!r} is not there, and vm {scope.name!r} runs", _LATER)
        host.note(no_bridge(network))


def _require_model(host: "Host", scope: Scope, model: str) -> None:
    emulator = next((each.text for each in devices.find_devices(host, scope, "emulator")), None)
    require_nic_model(host, model, devices.machine_of(host, scope), emulator)


def checked_mac(host: "Host", scope: Scope, mac: str) -> str:
    """`mac` in libvirt's form. Raises Invalid for what is none, or is another VM's."""
    from kimchictl.virt.domain.domains import descriptions

    address = mac.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(address) or int(address[:2], 16) & 1:
        raise Invalid(f"{mac!r} is no address of an interface", "write it like 52:54:00:12:34:56")
    owners = {name for name, said in descriptions(host) for nic in said.nics if nic.mac == address}
    if owners:
        raise Invalid(f"address {address} is that of vm {', '.join(sorted(owners))}")
    return address


def detach_nic(host: "Host", name: str, wanted: str, next_start: bool = False) -> Nic:
    """Unplug one, named by its number or its address; what it was. Raises NotFound, TimedOut."""
    scope = devices.scope_of(host, name, next_start)
    scope, (found, _element) = devices.find_in(scope, lambda where: _find(host, where, wanted))
    devices.detach(host, scope, f"interface/mac[@address='{found.mac}']/..", f"interface {found.mac}")
    return found


def _find(host: "Host", scope: Scope, wanted: str) -> tuple[Nic, xml.Element]:
    elements = _all(host, scope)
    for number, element in enumerate(elements):
        nic = _nic(number, element)
        if wanted.strip().lower().replace("-", ":") in (str(number), nic.mac):
            return nic, element
    there = ", ".join(f"{number} ({read_nic(each).mac})" for number, each in enumerate(elements)) or "none"
    raise NotFound(f"vm {scope.name!r} has no interface {wanted!r}", f"its interfaces are: {there}")


def set_nic(
    host: "Host",
    name: str,
    wanted: str,
    network: Network | None = None,
    link: str | None = None,
    model: str | None = None,
    next_start: bool = False,
) -> Nic:
    """Move one to another network, or its cable out (`link` down) and in; as it is then.

    Raises WrongState for a model or a kind of network that a running guest cannot be given.
    """
    if network is None and link is None and model is None:
        raise UsageError(f"nothing to change of interface {wanted!r}", "there are --network, --link and --model")
    scope = devices.scope_of(host, name, next_start)
    nic, element = _find(host, scope, wanted)
    if scope.live and model not in (None, nic.model):
        raise WrongState(f"vm {scope.name!r} runs, and the model of interface {nic.mac} stays", _LATER)
    if network is not None:
        _require(host, scope, network)
        if scope.live and network.type != nic.type and "user" in (network.type, nic.type):
            raise WrongState(f"vm {scope.name!r} runs, and interface {nic.mac} stays one of type {nic.type}", _LATER)
    if model is not None:
        _require_model(host, scope, model)
    if scope.live:
        _change(element, network, link, model)
        devices.update(host, replace(scope, config=False), element)
    if scope.config:
        # What it is plugged into there may differ from the guest's, and stays.
        scope = devices.renewed(host, scope)
        for own in devices.find_devices(host, scope, f"interface/mac[@address='{nic.mac}']/..", live=False)[:1]:
            _change(own, network, link, model)
            _redefine(host, scope, nic, own)
    return next(each for each in list_nics_of(host, devices.renewed(host, scope)) if each.mac == nic.mac)


_LATER = "--next-start changes it for when it starts anew; or stop it first"


def list_nics_of(host: "Host", scope: Scope) -> list[Nic]:
    """Those of the guest as it runs, or of its definition."""
    return [_nic(number, each) for number, each in enumerate(_all(host, scope))]


def _change(element: xml.Element, network: Network | None, link: str | None, model: str | None) -> None:
    if network is not None:
        _connect(element, network)
    if link is not None:
        _replace(element, "link", state=link)
    if model is not None:
        _replace(element, "model", type=model)


def _connect(element: xml.Element, network: Network) -> None:
    element.set("type", network.type)
    for tag in ("source", "target", "virtualport"):
        for each in element.findall(tag):
            element.remove(each)
    if network.type != "user":
        source = xml.Element("source", {network.type: network.name or ""})
        element.insert(1, source)
    if network.model:
        _replace(element, "model", type=network.model)


def _replace(element: xml.Element, tag: str, **attributes: str) -> None:
    for each in element.findall(tag):
        element.remove(each)
    xml.add(element, tag, **attributes)


def _redefine(host: "Host", scope: Scope, nic: Nic, element: xml.Element) -> None:
    """In the definition: libvirt's own update refuses what is only impossible while a guest runs."""
    from kimchictl.virt.domain.definition import read_definition, redefine
    from kimchictl.virt.domain.domains import note_saved

    root = read_definition(host, scope.domain)
    parent = root.find("devices")
    place = root.find(f"devices/interface/mac[@address='{nic.mac}']/..")
    if parent is None or place is None:
        raise NotFound(f"vm {scope.name!r} has no interface {nic.mac}", f"kimchictl vm nic list {quote(scope.name)}")
    parent[list(parent).index(place)] = element
    redefine(host, scope.name, root)
    note_saved(host, scope.domain)
