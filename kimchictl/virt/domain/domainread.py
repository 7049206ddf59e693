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
    """One interface. `type` is network, bridge, user..., `name` the network's or the bridge's."""

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


def read_domain(document: str, name: str) -> Description:
    """The description of the domain `name`. Raises Damaged."""
    root = xml.parse(document, f"vm {name!r}")
    shown = [_graphics(element) for element in root.findall("devices/graphics")]
    return Description(
        title=xml.text(root, "title"),
        description=xml.text(root, "description"),
        origin=read_metadata(root),
        graphics=shown[0] if shown else None,
        disks=tuple(_disk(element) for element in root.findall("devices/disk")),
        nics=tuple(read_nic(element) for element in root.findall("devices/interface")),
        uefi=root.find("os[@firmware='efi']") is not None or root.find("os/loader[@type='pflash']") is not None,
        nvram=xml.text(root, "os/nvram"),
        tpm=root.find("devices/tpm/backend[@type='emulator']") is not None,
        agent_connected=any(
            target.get("name") == "org.qemu.guest_agent.0" and target.get("state") == "connected"
            for target in root.findall("devices/channel/target")
        ),
        paths=tuple(paths_in(root)),
        runs=root.get("id") is not None,
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
    name = None if source is None else source.get(kind) or source.get("dev")
    return VmNic(
        mac=_get(element.find("mac"), "address"),
        type=kind,
        name=name,
        model=_get(element.find("model"), "type"),
        target=_get(element.find("target"), "dev"),
    )


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
