"""A domain's definition as that of another one: what must be its own is taken away, for libvirt to make anew. Pure."""

import posixpath

from kimchictl.virt import xml
from kimchictl.virt.domain.definition import child, remove_all


def as_clone(root: xml.Element, name: str, uuid: str) -> xml.Element:
    """`root`, changed in place: another name and UUID, no addresses, NVRAM file, fixed ports or host-side names.

    What its serial ports say goes to files and sockets of its own, called after it.
    """
    was = xml.text(root, "name") or ""
    child(root, "name").text = name
    child(root, "uuid").text = uuid
    for identity in root.findall("genid"):
        identity.text = None
    for system in root.findall("sysinfo/system"):
        for entry in system.findall("entry[@name='uuid']"):
            system.remove(entry)
    for nvram in root.findall("os/nvram"):
        nvram.text = None  # its template stays; libvirt makes a file of its own
        remove_all(nvram, "source")
        nvram.attrib.pop("type", None)
    for interface in root.findall("devices/interface"):
        remove_all(interface, "mac", "target")
    for display in root.findall("devices/graphics"):
        if display.get("port") or display.get("tlsPort"):
            display.attrib.pop("tlsPort", None)
            display.set("port", "-1")
            display.set("autoport", "yes")
    for channel in root.findall("devices/channel[@type='unix']"):
        remove_all(channel, "source")
    for kind in ("serial", "console", "parallel", "channel"):
        for port in root.findall(f"devices/{kind}"):
            _rename_files(port, was, name)
    return root


def _rename_files(port: xml.Element, was: str, name: str) -> None:
    """What the host side of `port` makes: two guests would write over each other, or one take the other's socket."""
    makes = {"file": "source", "unix": "source[@mode='bind']"}.get(port.get("type") or "")
    found = [(each, "path") for each in port.findall(makes)] if makes else []
    for element, key in [*found, *((log, "file") for log in port.findall("log"))]:
        if path := element.get(key):
            element.set(key, _renamed(path, was, name))


def _renamed(path: str, was: str, name: str) -> str:
    """ "/var/log/web.log" as "/var/log/web-clone1.log", "/var/log/serial.log" as "/var/log/serial-web-clone1.log"."""
    place, file = posixpath.split(path)
    stem, ending = posixpath.splitext(file)
    own = stem.replace(was, name, 1) if was and was in stem else f"{stem}-{name}"
    return posixpath.join(place, own + ending)


def put_image(root: xml.Element, target: str, path: str, form: str, kind: str) -> None:
    """The disk `target` gets the image at `path`, in the format `form`; `kind` is file or block."""
    disk = root.find(f"devices/disk/target[@dev='{target}']/..")
    if disk is None:
        return
    block = kind == "block"
    disk.set("type", "block" if block else "file")
    child(disk, "driver").set("type", form)
    source = child(disk, "source")
    source.attrib.clear()
    for inner in list(source):
        source.remove(inner)
    source.set("dev" if block else "file", path)
    remove_all(disk, "backingStore", "mirror")
