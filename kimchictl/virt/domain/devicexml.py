"""The <devices> of a domain. See https://libvirt.org/formatdomain.html#devices.

Formats are always written out, never left to be guessed from what a guest may have written; what a guest only reads is
not relabelled (libvirt would make its own user the owner of the image, and may leave it so).
"""

from urllib.parse import unquote, urlsplit

from kimchictl.catalog.records import Graphics, Network
from kimchictl.errors import Invalid
from kimchictl.virt import xml
from kimchictl.virt.domain.domainplan import DomainDisk, DomainPlan, Medium
from kimchictl.virt.domain.machine import Hardware

SPARE_PORTS = 8
_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 990}


def add_devices(devices: xml.Element, plan: DomainPlan, hardware: Hardware) -> None:
    """Fill the empty element `devices`. Raises Invalid for what does not fit on a bus."""
    template = plan.template
    if hardware.emulator:
        xml.add(devices, "emulator", hardware.emulator)
    targets = _Targets(hardware)
    buses = [disk.bus or hardware.disk_bus for disk in plan.disks]
    for disk, bus in zip(plan.disks, buses, strict=True):
        _add_disk(devices, disk, bus, targets.disk(bus), hardware)
    drives = _cdrom_buses(plan, hardware)
    for inserted, bus in zip(plan.media, drives, strict=True):
        _add_cdrom(devices, inserted, bus, targets.cdrom(bus), hardware)
    networks = template.networks or ()
    graphics = template.graphics or Graphics()
    _add_controllers(devices, hardware, buses + drives, len(networks))
    for network in networks:
        _add_interface(devices, network, hardware)
    _add_serial(devices, hardware)
    channel = xml.add(devices, "channel", type="unix")
    xml.add(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    if graphics.type != "none":
        _add_display(devices, graphics, hardware, plan.password)
    if hardware.tpm:
        tpm = xml.add(devices, "tpm", model=hardware.tpm)
        xml.add(tpm, "backend", type="emulator", version="2.0")
    random = xml.add(devices, "rng", model="virtio")
    xml.add(random, "backend", "/dev/urandom", model="random")


class _Targets:
    """Hands out target names: vda, sda, hda... An IDE CD-ROM is hdc, the secondary master, as it has always been."""

    def __init__(self, hardware: Hardware) -> None:
        self._used: set[str] = set()
        self._family = hardware.family

    def disk(self, bus: str) -> str:
        if bus == "ide" and self._family == "q35":
            raise Invalid("machine q35 has no IDE", "use disk bus sata or virtio, or machine pc")
        return self._next(bus, "abcd" if bus == "ide" else None, avoid="hdc")

    def cdrom(self, bus: str) -> str:
        return self._next(bus, "cdab" if bus == "ide" else None)

    def _next(self, bus: str, letters: str | None, avoid: str | None = None) -> str:
        prefix = {"virtio": "vd", "ide": "hd", "sata": "sd", "scsi": "sd", "usb": "sd"}.get(bus, "sd")
        for suffix in letters or (_letters(index) for index in range(1024)):
            name = prefix + suffix
            if name not in self._used and name != avoid:
                self._used.add(name)
                return name
        raise Invalid("an IDE bus takes three disks and a CD-ROM, no more", "use another disk bus")


def _letters(index: int) -> str:
    """0 -> "a", 25 -> "z", 26 -> "aa", as Linux names disks."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("a") + rest) + name
    return name


def _add_disk(devices: xml.Element, disk: DomainDisk, bus: str, target: str, hardware: Hardware) -> None:
    element = xml.add(devices, "disk", type="block" if disk.block else "file", device="disk")
    xml.add(element, "driver", name="qemu", type=disk.format, discard="unmap")
    xml.add(element, "source", **{"dev" if disk.block else "file": disk.path})
    if disk.base:
        backing = xml.add(element, "backingStore", type="file")
        xml.add(backing, "format", type=disk.base_format or "raw")
        _leave_alone(xml.add(backing, "source", file=disk.base), hardware.dac)
    xml.add(element, "target", dev=target, bus=bus)


def _cdrom_buses(plan: DomainPlan, hardware: Hardware) -> list[str]:
    """The bus of each drive. Cloud-init data, the last one, come by virtio: kernels of cloud images may lack AHCI."""
    buses = [hardware.cdrom_bus] * len(plan.media)
    if plan.seed and hardware.cdrom_bus == "sata" and hardware.disk_bus in ("virtio", "scsi"):
        buses[-1] = "scsi"
    return buses


def _add_cdrom(devices: xml.Element, inserted: Medium, bus: str, target: str, hardware: Hardware) -> None:
    element = xml.add(devices, "disk", type=inserted.kind, device="cdrom")
    xml.add(element, "driver", name="qemu", type="raw")
    add_medium(element, inserted, hardware.dac)
    xml.add(element, "target", dev=target, bus=bus)
    xml.add(element, "readonly")


def add_medium(disk: xml.Element, inserted: Medium, dac: bool) -> None:
    """The <source> of a drive: what lies in it. Raises Invalid for a URL of another scheme."""
    if inserted.kind == "network":
        _add_url(disk, inserted)
    elif inserted.kind == "volume":
        pool, _, volume = inserted.location.partition("/")
        _leave_alone(xml.add(disk, "source", pool=pool, volume=volume), dac)
    else:
        key = "dev" if inserted.kind == "block" else "file"
        _leave_alone(xml.add(disk, "source", **{key: inserted.location}), dac)


def _leave_alone(source: xml.Element, dac: bool) -> None:
    """Keep the owner of an image that is only read; without that security driver, naming it stops the start."""
    if dac:
        xml.add(source, "seclabel", model="dac", relabel="no")


def _add_url(disk: xml.Element, inserted: Medium) -> None:
    """libvirt encodes `name` anew when it puts the URL together, so it is given decoded; a host name stays one."""
    url = inserted.location
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise Invalid(f"a guest cannot boot from {url}", "the schemes are http, https, ftp and ftps")
    source = xml.add(disk, "source", protocol=scheme, name=unquote(parts.path) or "/", query=parts.query or None)
    xml.add(source, "host", name=parts.hostname or "", port=parts.port or _PORTS[scheme])
    if scheme in ("https", "ftps"):
        xml.add(source, "ssl", verify="yes")
    if inserted.secret:
        # Of type iscsi for every protocol: libvirt knows no other for them.
        auth = xml.add(source, "auth", username=inserted.user)
        xml.add(auth, "secret", type="iscsi", usage=inserted.secret)


def _add_controllers(devices: xml.Element, hardware: Hardware, buses: list[str], nics: int) -> None:
    if hardware.family in ("q35", "virt"):
        # Each of these sits in a port of its own: disks, NICs, USB, serial bus, balloon, RNG; the rest is for hot plug.
        used = buses.count("virtio") + nics + 4 + ("scsi" in buses)
        xml.add(devices, "controller", type="pci", index=0, model="pcie-root")
        for _ in range(used + SPARE_PORTS):
            xml.add(devices, "controller", type="pci", model="pcie-root-port")
    if hardware.family not in ("pc", "ccw"):
        xml.add(devices, "controller", type="usb", model="qemu-xhci", ports=15)
    if "scsi" in buses:
        xml.add(devices, "controller", type="scsi", model="virtio-scsi")


def _add_interface(devices: xml.Element, network: Network, hardware: Hardware) -> None:
    interface = xml.add(devices, "interface", type=network.type)
    if network.type != "user":
        xml.add(interface, "source", **{network.type: network.name})
    xml.add(interface, "model", type=network.model or hardware.nic_model)


def _add_serial(devices: xml.Element, hardware: Hardware) -> None:
    """A port and the console on it; s390 has a console only."""
    kind = "sclp" if hardware.family == "ccw" else "serial"
    if kind == "serial":
        xml.add(xml.add(devices, "serial", type="pty"), "target", port=0)
    xml.add(xml.add(devices, "console", type="pty"), "target", type=kind, port=0)


def _add_display(devices: xml.Element, graphics: Graphics, hardware: Hardware, password: str | None) -> None:
    if hardware.family != "ccw":
        xml.add(devices, "input", type="tablet", bus="usb")  # a pointer that is where the viewer's is
    if not hardware.is_x86:
        xml.add(devices, "input", type="keyboard", bus="virtio" if hardware.family == "ccw" else "usb")
    listen = graphics.listen or "127.0.0.1"
    element = xml.add(devices, "graphics", type=graphics.type, port=-1, autoport="yes", listen=listen, passwd=password)
    xml.add(element, "listen", type="address", address=listen)
    if graphics.type == "spice":
        xml.add(xml.add(devices, "channel", type="spicevmc"), "target", type="virtio", name="com.redhat.spice.0")
    xml.add(xml.add(devices, "video"), "model", type=hardware.video)
