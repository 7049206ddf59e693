"""Whose a volume's file is, and who may read it: what takes the place of a volume keeps it. Pure."""

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


def add_permissions(target: xml.Element, wanted: Permissions) -> None:
    """Into the <target> of a volume that is to be made."""
    element = xml.add(target, "permissions")
    for part, value in zip(_PARTS, wanted, strict=True):
        if value is not None:
            xml.add(element, part, value)
