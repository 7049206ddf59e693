"""XML elements in and out, for the rest of this package: nothing here or there puts XML together from strings."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kimchictl.errors import Damaged, Invalid

__all__ = ["Element", "add", "number", "parse", "serialize", "text"]

# XML 1.0, section 2.2: what is no Char cannot be written in any form.
_NO_CHAR = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(document: str, what: str) -> Element:
    """The root element of `document`, which came from libvirt. Raises Damaged naming `what`."""
    try:
        return ElementTree.fromstring(document)  # noqa: S314 - libvirt's own output, entities expanded by it
    except ElementTree.ParseError as error:
        raise Damaged(f"libvirt's description of {what} is not XML: {error}") from None


def add(parent: Element, tag: str, content: str | int | None = None, **attributes: str | int | None) -> Element:
    """A new last child of `parent`; attributes that are None are left out, a trailing "_" of their names too."""
    given = {name.rstrip("_"): str(value) for name, value in attributes.items() if value is not None}
    child = SubElement(parent, tag, given)
    if content is not None:
        child.text = str(content)
    return child


def serialize(root: Element) -> str:
    """`root` as indented text that ends in a newline. Raises Invalid for a character that XML cannot hold."""
    for element in root.iter():
        for value in (element.text or "", *element.attrib.values()):
            if bad := _NO_CHAR.search(value):
                raise Invalid(f"{value!r} holds {bad[0]!r}, which libvirt's XML cannot")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def text(parent: Element, path: str) -> str | None:
    """The text of the element at `path`, stripped; None if there is none."""
    return (parent.findtext(path) or "").strip() or None


def number(parent: Element, path: str) -> int | None:
    """The whole number in the element at `path`; None if there is none."""
    found = text(parent, path)
    return int(found) if found is not None and found.isascii() and found.isdigit() else None
