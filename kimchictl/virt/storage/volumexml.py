"""The definition of a volume that is to be made, and whose a volume's file is and who may read it. Pure.

See https://libvirt.org/formatstorage.html. What takes the place of a volume keeps its permissions.
"""

from typing import NamedTuple

from kimchictl.virt import xml

_PARTS = ("mode", "owner", "group", "label")


class Permissions(NamedTuple):
    """As libvirt writes them: `mode` octal, `owner`, `group` numbers, `label` a security driver's; None: not said."""

    mode: str | None = None
    owner: str | None = None
    group: str | None = None
    label: str | None = None


def read_permissions(root: xml.Element) -> Permissions | None:
    """Those in a volume's XML, if there are any."""
    if root.find("target/permissions") is None:
        return None
    return Permissions(*(xml.text(root, f"target/permissions/{part}") for part in _PARTS))


def volume_xml(
    name: str,
    capacity: int,
    form: str,
    base: str | None = None,
    base_format: str | None = None,
    full: bool = False,
    permissions: Permissions | None = None,
) -> str:
    """The definition of a volume of `capacity` bytes; `full` allocates all of it at once."""
    root = xml.Element("volume")
    xml.add(root, "name", name)
    xml.add(root, "capacity", capacity, unit="bytes")
    if form == "raw" and not full:
        xml.add(root, "allocation", 0, unit="bytes")  # sparse; the default would be all of it
    target = xml.add(root, "target")
    xml.add(target, "format", type=form)
    if form == "qcow2":
        xml.add(target, "compat", "1.1")
    if permissions is not None:
        _add_permissions(target, permissions)
    if base is not None:
        backing = xml.add(root, "backingStore")
        xml.add(backing, "path", base)
        xml.add(backing, "format", type=base_format or "raw")
    return xml.serialize(root)


def _add_permissions(target: xml.Element, wanted: Permissions) -> None:
    """Into the <target> of a volume that is to be made."""
    element = xml.add(target, "permissions")
    for part, value in zip(_PARTS, wanted, strict=True):
        if value is not None:
            xml.add(element, part, value)
