"""Changes to a domain's definition, each on its element tree. Pure: they ask nobody.

See https://libvirt.org/formatdomain.html.
"""

from dataclasses import dataclass
from shlex import quote
from typing import Any

from kimchictl.errors import Invalid
from kimchictl.virt import xml
from kimchictl.virt.domain.definition import child, memory_mib, put_text, remove_all

BOOT_DEVICES = {"hd": "hd", "disk": "hd", "cdrom": "cdrom", "network": "network", "fd": "fd"}


@dataclass(frozen=True, slots=True)
class VmChanges:
    """What is asked of a VM; None is "as it is". Memory is MiB; an empty title or description is taken away.

    `boot` names devices in order, `graphics` is {"type", "listen"} or a part of it.
    """

    title: str | None = None
    description: str | None = None
    memory: int | None = None
    max_memory: int | None = None
    vcpus: int | None = None
    max_vcpus: int | None = None
    topology: dict[str, int] | None = None
    graphics: dict[str, Any] | None = None
    password: str | None = None
    boot: tuple[str, ...] | None = None
    boot_menu: bool | None = None
    firmware: str | None = None
    secure_boot: bool | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in self.__slots__)


def apply(root: xml.Element, changes: VmChanges, name: str) -> None:
    """Make `changes` in the definition `root` of the VM `name`. Raises Invalid for values that contradict."""
    if changes.title is not None:
        put_text(root, "title", changes.title, after="genid" if root.find("genid") is not None else "uuid")
    if changes.description is not None:
        put_text(root, "description", changes.description, after="title" if root.find("title") is not None else "uuid")
    if changes.memory is not None or changes.max_memory is not None:
        _set_memory(root, changes, name)
    if changes.vcpus is not None or changes.max_vcpus is not None or changes.topology is not None:
        _set_vcpus(root, changes, name)
    if changes.firmware is not None or changes.secure_boot is not None:
        _set_firmware(root, changes, name)
    if changes.boot is not None:
        _set_boot(root, changes.boot)
    if changes.boot_menu is not None:
        remove_all(child(root, "os"), "bootmenu")
        xml.add(child(root, "os"), "bootmenu", enable="yes" if changes.boot_menu else "no")
    if changes.graphics is not None or changes.password is not None:
        _set_graphics(root, changes.graphics or {}, changes.password, name)


def _set_memory(root: xml.Element, changes: VmChanges, name: str) -> None:
    """An absent maximum follows where it did so far: a guest whose memory was its maximum."""
    most = memory_mib(root, "memory") or 0
    current = memory_mib(root, "currentMemory") or most
    wanted = changes.memory if changes.memory is not None else min(current, changes.max_memory or current)
    limit = changes.max_memory if changes.max_memory is not None else wanted if current == most else most
    if wanted > limit:
        raise Invalid(f"vm {name!r}: memory {wanted} MiB is above its max_memory {limit} MiB", "give --max-memory too")
    if root.find("maxMemory") is not None and limit != most:
        hint = f"kimchictl vm edit {quote(name)} --xml"
        raise Invalid(f"vm {name!r} has memory slots, whose size no option changes", hint)
    for tag, value in (("memory", limit), ("currentMemory", wanted)):
        element = child(root, tag)
        element.attrib.clear()
        element.set("unit", "MiB")
        element.text = str(value)


def _set_vcpus(root: xml.Element, changes: VmChanges, name: str) -> None:
    element = child(root, "vcpu")
    most = int(element.text or "1")
    current = int(element.get("current") or most)
    shape = changes.topology
    product = shape["sockets"] * shape["cores"] * shape["threads"] if shape else None
    if product and changes.max_vcpus is not None and changes.max_vcpus != product:
        raise Invalid(f"vm {name!r}: max_vcpus {changes.max_vcpus} is not the {product} of its topology")
    wanted = changes.vcpus if changes.vcpus is not None else min(current, product or changes.max_vcpus or current)
    limit = product or changes.max_vcpus or (wanted if current == most and not _topology(root) else most)
    if product and changes.vcpus is None and current == most:
        wanted = product
    if wanted > limit:
        raise Invalid(
            f"vm {name!r}: vcpus {wanted} is above its max_vcpus {limit}", "give --max-vcpus or --topology too"
        )
    element.text = str(limit)
    element.attrib.pop("current", None)
    if wanted != limit:
        element.set("current", str(wanted))
    remove_all(root, "vcpus")  # the list of single ones: libvirt writes it anew
    if shape:
        cpu = child(root, "cpu")
        remove_all(cpu, "topology")
        xml.add(cpu, "topology", **shape)
    elif _topology(root) not in (None, limit):
        raise Invalid(
            f"vm {name!r} has a topology of {_topology(root)} virtual CPUs, not {limit}", "give --topology too"
        )


def _topology(root: xml.Element) -> int | None:
    shape = root.find("cpu/topology")
    if shape is None:
        return None
    product = 1
    for key in ("sockets", "dies", "clusters", "cores", "threads"):
        product *= int(shape.get(key) or "1")
    return product


def _set_firmware(root: xml.Element, changes: VmChanges, name: str) -> None:
    """libvirt chooses the image that fits; what was chosen before is taken away, so that it does."""
    system = child(root, "os")
    uefi = system.get("firmware") == "efi" or system.find("loader[@type='pflash']") is not None
    wanted = changes.firmware or ("uefi" if uefi else "bios")
    if wanted == "bios" and changes.secure_boot:
        raise Invalid(f"vm {name!r}: secure boot needs firmware uefi", "give --firmware uefi too")
    if (wanted == "uefi") == uefi and changes.secure_boot is None:
        return
    if wanted == "uefi" and _is_x86(system) and root.find("features/acpi") is None:
        hint = f"kimchictl vm edit {quote(name)} --xml: add <acpi/> to its <features>"
        raise Invalid(f"vm {name!r} has no ACPI, without which there is no firmware uefi", hint)
    remove_all(system, "loader", "firmware", *(() if uefi and wanted == "uefi" else ("nvram",)))
    system.attrib.pop("firmware", None)
    if wanted == "bios":
        return
    remove_all(system, "nvram", "bios")
    system.set("firmware", "efi")
    if _is_x86(system):
        features, state = xml.add(system, "firmware"), "yes" if changes.secure_boot else "no"
        xml.add(features, "feature", enabled=state, name="secure-boot")
        xml.add(features, "feature", enabled=state, name="enrolled-keys")
        if changes.secure_boot:
            list_of = child(root, "features")
            remove_all(list_of, "smm")
            xml.add(list_of, "smm", state="on")


def _is_x86(system: xml.Element) -> bool:
    kind = system.find("type")
    return kind is not None and kind.get("arch") in ("x86_64", "i686")


def _set_boot(root: xml.Element, order: tuple[str, ...]) -> None:
    """By kinds of devices; an order of single devices, which libvirt does not take beside it, goes."""
    unknown = [each for each in order if each not in BOOT_DEVICES]
    if unknown:
        raise Invalid(f"{unknown[0]!r} is nothing to boot from", "there are hd, cdrom, network and fd")
    for parent in (*root.findall("devices/disk"), *root.findall("devices/interface"), *root.findall("devices/hostdev")):
        remove_all(parent, "boot")
    system = child(root, "os")
    remove_all(system, "boot")
    for each in dict.fromkeys(BOOT_DEVICES[each] for each in order):
        xml.add(system, "boot", dev=each)


def _set_graphics(root: xml.Element, wanted: dict[str, Any], password: str | None, name: str) -> None:
    devices = child(root, "devices")
    found = display_of(devices, wanted.get("type"))
    kind = wanted.get("type") or (found.get("type") if found is not None else "vnc")
    if kind == "none":
        remove_all(devices, "graphics")
        _remove_spice(devices)
        return
    if kind not in ("vnc", "spice"):
        raise Invalid(f"vm {name!r}: a display of type {kind!r} cannot be made", "there are vnc, spice and none")
    if found is None or found.get("type") != kind:
        found = _replace_display(devices, found, kind)
    if wanted.get("listen"):
        _listen_on(found, wanted["listen"])
    if password:
        found.set("passwd", password)
    if devices.find("graphics[@type='spice']") is None:
        _remove_spice(devices)
    if devices.find("video") is None:
        xml.add(xml.add(devices, "video"), "model", type="vga")


def display_of(devices: xml.Element, kind: str | None) -> Any:
    """The <graphics> that a change is of: the first of that kind, else the first; None where a viewer finds none."""
    shown = [each for each in devices.findall("graphics") if each.get("type") != "egl-headless"]  # renders for others
    return next((each for each in shown if each.get("type") == kind), shown[0] if shown else None)


def _replace_display(devices: xml.Element, old: Any, kind: str) -> xml.Element:
    """A display of `kind` in the place of `old`, with its address and password, on a port that libvirt chooses."""
    element = xml.add(devices, "graphics", type=kind, port=-1, autoport="yes")
    _listen_on(element, listen_of(old) or "127.0.0.1")
    if old is not None:
        if old.get("passwd"):
            element.set("passwd", old.get("passwd"))
        devices.remove(element)
        devices[list(devices).index(old)] = element
    return element


def _listen_on(element: xml.Element, address: str) -> None:
    """In the place of all that it listened on, a socket too; its port stays."""
    remove_all(element, "listen")
    element.attrib.pop("socket", None)
    element.set("listen", address)
    element.insert(0, xml.Element("listen", type="address", address=address))


def _remove_spice(devices: xml.Element) -> None:
    """What works with a SPICE display alone."""
    for tag in ("channel[@type='spicevmc']", "redirdev[@type='spicevmc']", "audio[@type='spice']"):
        for each in devices.findall(tag):
            devices.remove(each)


def listen_of(element: xml.Element | None) -> str | None:
    """The address that a <graphics> listens on; None where it is not said."""
    if element is None:
        return None
    inner = element.find("listen[@type='address']")
    return inner.get("address") if inner is not None else element.get("listen")
