"""The definition of a domain that exists: read as an element, changed, compared, given back.

Whatever a change does not touch stays as libvirt wrote it, elements that kimchictl does not know among it.
"""

import difflib
import io
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from kimchictl.errors import Damaged, Invalid
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking

_GENERATED = re.compile(r"ns\d+")  # prefixes that ElementTree keeps for itself
_PASSWORD = re.compile(r"(passwd=)(\"[^\"]*\"|'[^']*')")


def read_definition(host: Host, domain: Any, live: bool = False, secrets: bool = True) -> xml.Element:
    """What `domain` will be at its next start, or with `live` what it is now; `secrets`: passwords too."""
    flags = 0 if live else host.lib.VIR_DOMAIN_XML_INACTIVE
    if secrets and not host.readonly:
        flags |= host.lib.VIR_DOMAIN_XML_SECURE
    with asking(f"vm {domain.name()!r}"):
        return parse(domain.XMLDesc(flags), f"vm {domain.name()!r}")


def parse(document: str, what: str) -> xml.Element:
    """The root of `document`, whose prefixes are kept when it is written again. Raises Invalid."""
    try:
        events = ElementTree.iterparse(io.StringIO(document), ("start-ns", "end"))  # noqa: S314 - libvirt's, or the user's
        root: xml.Element | None = None
        for event, value in events:
            if event == "start-ns":
                prefix, uri = value
                if prefix and not _GENERATED.fullmatch(prefix):
                    ElementTree.register_namespace(prefix, uri)
            else:
                root = value
    except ElementTree.ParseError as error:
        raise Invalid(f"the description of {what} is not XML: {error}") from None
    if root is None:
        raise Damaged(f"the description of {what} is empty")
    return root


def redefine(host: Host, name: str, root: xml.Element) -> None:
    """Make `root` the definition of the VM `name`, validated by libvirt's schema. Raises Invalid.

    libvirt knows by name and UUID that it is the same; a running guest goes on as it is.
    """
    with asking(f"vm {name!r} cannot be changed"):
        host.conn.defineXMLFlags(xml.serialize(root), host.lib.VIR_DOMAIN_DEFINE_VALIDATE)


def difference(before: str, after: str, name: str) -> str:
    """A unified diff of two documents, passwords blotted out; "" when they are equal."""
    old, new = (_PASSWORD.sub(r"\1'***'", text).splitlines(keepends=True) for text in (before, after))
    lines = list(difflib.unified_diff(old, new, f"{name} as it is", f"{name} as it would be"))
    if not lines and before != after:
        return "the password would be another one\n"
    return "".join(lines)


def child(parent: xml.Element, tag: str) -> xml.Element:
    """The first `tag` of `parent`, made if there is none."""
    found = parent.find(tag)
    return xml.add(parent, tag) if found is None else found


def put_text(root: xml.Element, tag: str, text: str | None, after: str = "uuid") -> None:
    """The text of the child `tag`, which stands behind `after`; None or "" takes it away."""
    found = root.find(tag)
    if not text:
        if found is not None:
            root.remove(found)
        return
    if found is None:
        found = ElementTree.Element(tag)
        place = next((number for number, each in enumerate(root) if each.tag == after), 0)
        root.insert(place + 1, found)
    found.text = text


def remove_all(parent: xml.Element, *tags: str) -> None:
    """Take the children called `tags` away."""
    for each in [each for each in parent if each.tag in tags]:
        parent.remove(each)


def devices(root: xml.Element, path: str) -> Iterator[tuple[xml.Element, xml.Element]]:
    """(<devices>, device) for each device at `path`."""
    parent = child(root, "devices")
    for each in parent.findall(path):
        yield parent, each


def memory_mib(root: xml.Element, tag: str) -> int | None:
    """The MiB in <memory> or <currentMemory>, rounded down; libvirt itself writes KiB."""
    found = root.find(tag)
    if found is None or not (found.text or "").strip().isdigit():
        return None
    return int((found.text or "").strip()) * _UNITS.get(found.get("unit") or "KiB", 1024) >> 20


_UNITS = {
    "b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 1000**2, "M": 1 << 20, "MiB": 1 << 20,
    "GB": 1000**3, "G": 1 << 30, "GiB": 1 << 30, "TB": 1000**4, "T": 1 << 40, "TiB": 1 << 40,
}  # fmt: skip
