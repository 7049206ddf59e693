"""Virtual networks: listed, started, stopped."""

from dataclasses import dataclass
from typing import Any

from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, translate
from kimchictl.virt.missing import missing


@dataclass(frozen=True, slots=True)
class VirtualNetwork:
    """`forward` is nat, route, bridge...; isolated networks have none. `addresses` are in CIDR form."""

    name: str
    uuid: str
    state: str
    active: bool
    autostart: bool
    persistent: bool
    forward: str | None
    bridge: str | None
    addresses: tuple[str, ...]


def find_network(host: Host, name: str) -> Any:
    """The virNetwork of that name. Raises NotFound."""
    try:
        return host.conn.networkLookupByName(name)
    except host.lib.libvirtError as error:
        if is_code(error, "NO_NETWORK"):
            message, otherwise = f"network {name!r} does not exist", "kimchictl network list shows those that do"
            raise missing(host, message, name, lambda: _names(host), otherwise) from None
        raise translate(error, f"network {name!r}") from None


def _names(host: Host) -> list[str]:
    return [network.name() for network in host.conn.listAllNetworks(0)]


def list_networks(host: Host) -> list[VirtualNetwork]:
    """All of them, by name ignoring case."""
    found = []
    with asking(f"host {host.uri}: network list"):
        for handle in host.conn.listAllNetworks(0):
            try:
                found.append(_read(handle))
            except host.lib.libvirtError as error:
                if not is_code(error, "NO_NETWORK"):
                    raise
    return sorted(found, key=lambda network: (network.name.casefold(), network.name))


def show_network(host: Host, name: str) -> VirtualNetwork:
    """One network. Raises NotFound."""
    handle = find_network(host, name)
    with asking(f"network {name!r}"):
        return _read(handle)


def _read(handle: Any) -> VirtualNetwork:
    name = handle.name()
    root = xml.parse(handle.XMLDesc(0), f"network {name!r}")
    forward, bridge = root.find("forward"), root.find("bridge")
    active = bool(handle.isActive())
    return VirtualNetwork(
        name=name,
        uuid=handle.UUIDString(),
        state="active" if active else "inactive",
        active=active,
        autostart=bool(handle.autostart()),
        persistent=bool(handle.isPersistent()),
        forward=None if forward is None else forward.get("mode") or "nat",
        bridge=None if bridge is None else bridge.get("name"),
        addresses=tuple(_cidr(element) for element in root.findall("ip") if element.get("address")),
    )


def _cidr(element: xml.Element) -> str:
    from ipaddress import ip_interface  # only who lists networks needs it

    address, mask = element.get("address") or "", element.get("prefix") or element.get("netmask")
    try:
        return str(ip_interface(f"{address}/{mask}" if mask else address))
    except ValueError:
        return address


def start_network(host: Host, name: str) -> bool:
    """False if it was active already."""
    network = find_network(host, name)
    with asking(f"network {name!r} does not start"):
        if network.isActive():
            return False
        network.create()
    return True


def stop_network(host: Host, name: str) -> bool:
    """False if it was inactive already. Noted are the VMs that lose their link, and that a transient one is gone."""
    network = find_network(host, name)
    with asking(f"network {name!r} does not stop"):
        if not network.isActive():
            return False
        if guests := guests_on(host, name):
            host.note(f"network {name!r}: these VMs lose their link until they are started anew: {', '.join(guests)}")
        persistent = network.isPersistent()
        network.destroy()
    if not persistent:
        host.note(f"network {name!r}: it was transient, and is gone")
    return True


def guests_on(host: Host, name: str) -> list[str]:
    """The names of the VMs that run with an interface on the network `name`, sorted."""
    with asking(f"host {host.uri}: vm list"):
        running = host.conn.listAllDomains(host.lib.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return sorted(domain.name() for domain in running if name in _networks_of(host, domain))


def _networks_of(host: Host, domain: Any) -> set[str | None]:
    """Those that the interfaces of a running VM are on; none of one that has ended meanwhile."""
    try:
        document = domain.XMLDesc(0)
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return set()
        raise translate(error, f"vm {domain.name()!r}") from None
    root = xml.parse(document, f"vm {domain.name()!r}")
    return {source.get("network") for source in root.findall("devices/interface/source")}
