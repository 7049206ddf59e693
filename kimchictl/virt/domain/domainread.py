"""A domain's XML -> what is printed of it: title, template, disks, interfaces, display."""

from collections.abc import Iterator
from dataclasses import dataclass

from kimchictl.virt import xml
from kimchictl.virt.domain.metadata import Origin, read_metadata


@dataclass(frozen=True, slots=True)
class VmDisk:
    """One drive. `source` is a path, a URL or "pool:POOL/VOLUME", None when empty; `backing` what lies under it.

    `pool` and `volume` are in its XML, or, like `capacity` and `allocation` in bytes, None where nobody asked the host
    or it does not know.
    """

    target: str
    bus: str | None
    device: str
    source: str | None
    format: str | None = None
    readonly: bool = False
    shareable: bool = False
    backing: tuple[str, ...] = ()
    pool: str | None = None
    volume: str | None = None
    capacity: int | None = None
    allocation: int | None = None


@dataclass(frozen=True, slots=True)
class VmNic:
    """One interface. `type` is network, bridge, user..., `name` the network's, the bridge's or the host device's."""

    mac: str | None
    type: str
    name: str | None
    model: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class VmGraphics:
    """The display; `port` is None while the VM is off and libvirt chooses it."""

    type: str
    listen: str | None = None
    port: int | None = None
    tls_port: int | None = None
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class VmHostdev:
    """A device of the host that the guest has to itself. `type` is pci, usb, mdev, scsi, storage...

    `name` is what the host calls it, as lspci, lsusb and lsscsi write it: "0000:01:00.0", "1d6b:0002" or "001:004".
    """

    type: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a domain's XML says, beside its state; `paths` is every path in it, whatever for; `runs`: as it does."""

    title: str | None
    description: str | None
    origin: Origin
    graphics: VmGraphics | None
    disks: tuple[VmDisk, ...]
    nics: tuple[VmNic, ...]
    uefi: bool
    nvram: str | None
    tpm: bool
    agent_connected: bool
    paths: tuple[str, ...] = ()
    runs: bool = False
    displays: tuple[VmGraphics, ...] = ()
    hostdevs: tuple[VmHostdev, ...] = ()


def read_domain(document: str, name: str) -> Description:
    """The description of the domain `name`. Raises Damaged."""
    root = xml.parse(document, f"vm {name!r}")
    shown = tuple(_graphics(element) for element in root.findall("devices/graphics"))
    return Description(
        title=xml.text(root, "title"),
        description=xml.text(root, "description"),
        origin=read_metadata(root),
        graphics=shown[0] if shown else None,
        disks=tuple(_disk(element) for element in root.findall("devices/disk")),
        nics=tuple(read_nic(element) for element in root.findall("devices/interface")),
        uefi=root.find("os[@firmware='efi']") is not None or root.find("os/loader[@type='pflash']") is not None,
        nvram=xml.text(root, "os/nvram") or _get(root.find("os/nvram/source"), "file"),
        tpm=root.find("devices/tpm/backend[@type='emulator']") is not None,
        agent_connected=any(
            target.get("name") == "org.qemu.guest_agent.0" and target.get("state") == "connected"
            for target in root.findall("devices/channel/target")
        ),
        paths=tuple(paths_in(root)),
        runs=root.get("id") is not None,
        displays=shown,
        hostdevs=tuple(_hostdev(element) for element in root.findall("devices/hostdev")),
    )


def paths_in(root: xml.Element) -> Iterator[str]:
    """Every path that is said anywhere: of a kernel, of firmware variables, of a directory that a guest shares..."""
    for element in root.iter():
        for value in (*element.attrib.values(), (element.text or "").strip()):
            if value.startswith("/"):
                yield value


def _disk(element: xml.Element) -> VmDisk:
    source, driver, target = element.find("source"), element.find("driver"), element.find("target")
    pool = source.get("pool") if source is not None else None
    return VmDisk(
        target=_get(target, "dev") or "",
        bus=_get(target, "bus"),
        device=element.get("device") or "disk",
        source=location(source),
        format=_get(driver, "type"),
        readonly=element.find("readonly") is not None,
        shareable=element.find("shareable") is not None,
        backing=tuple(_chain(element)),
        pool=pool,
        volume=source.get("volume") if source is not None and pool else None,
    )


def _get(element: xml.Element | None, name: str) -> str | None:
    return None if element is None else element.get(name)


def location(source: xml.Element | None) -> str | None:
    """What a <source> names: a path, a URL or "pool:POOL/VOLUME"; None for nothing."""
    if source is None:
        return None
    if source.get("pool"):
        return f"pool:{source.get('pool')}/{source.get('volume')}"
    if protocol := source.get("protocol"):
        host = source.find("host")
        where = _get(host, "name") or ""
        port = f":{_get(host, 'port')}" if _get(host, "port") else ""
        query = f"?{source.get('query')}" if source.get("query") else ""
        return f"{protocol}://{where}{port}/{(source.get('name') or '').lstrip('/')}{query}"
    return source.get("file") or source.get("dev") or source.get("dir")


def _chain(disk: xml.Element) -> list[str]:
    """The sources of the backing chain, nearest first; a domain that runs shows it whole."""
    found: list[str] = []
    store = disk.find("backingStore")
    while store is not None:
        if below := location(store.find("source")):
            found.append(below)
        store = store.find("backingStore")
    return found


def read_nic(element: xml.Element) -> VmNic:
    """One <interface>."""
    kind, source = element.get("type") or "", element.find("source")
    name = None if source is None else source.get(kind) or source.get("dev") or _device_name(source)
    return VmNic(
        mac=_get(element.find("mac"), "address"),
        type=kind,
        name=name,
        model=_get(element.find("model"), "type"),
        target=_get(element.find("target"), "dev"),
    )


def _hostdev(element: xml.Element) -> VmHostdev:
    source = element.find("source")
    kind = element.get("type") or "unknown"
    return VmHostdev(kind, None if source is None else _device_name(source) or location(source) or source.get("wwpn"))


def _device_name(source: xml.Element) -> str | None:
    """What the host calls the device in the <source> of a <hostdev>; see formatdomain, Host device assignment."""
    if said := next((xml.text(source, key) for key in ("block", "char", "interface") if xml.text(source, key)), None):
        return said
    vendor, product = (_get(source.find(key), "id") for key in ("vendor", "product"))
    if vendor and product:
        return f"{vendor.removeprefix('0x')}:{product.removeprefix('0x')}"
    place = source.find("address")
    return None if place is None else place.get("uuid") or _address(place, _get(source.find("adapter"), "name"))


def _address(place: xml.Element, adapter: str | None) -> str | None:
    """Of a PCI or USB device, or one at a SCSI adapter; libvirt writes the numbers as wide as the commands do."""
    if place.get("function"):
        domain, bus, slot, function = (
            place.get(key, "0x0000").removeprefix("0x") for key in ("domain", "bus", "slot", "function")
        )
        return f"{domain}:{bus}:{slot}.{function}"
    if place.get("device"):
        return f"{place.get('bus', '').zfill(3)}:{place.get('device', '').zfill(3)}"
    if adapter is None:
        return None
    return ":".join((adapter.removeprefix("scsi_host"), *(place.get(key, "0") for key in ("bus", "target", "unit"))))


def _graphics(element: xml.Element) -> VmGraphics:
    listen = element.find("listen")
    return VmGraphics(
        type=element.get("type") or "",
        listen=_get(listen, "address") or element.get("listen"),
        port=_port(element.get("port")),
        tls_port=_port(element.get("tlsPort")),
        socket=_get(listen, "socket") or element.get("socket"),
    )


def _port(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
