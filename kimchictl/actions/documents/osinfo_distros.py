"""The image links of an installed osinfo-db as known distributions: shown on request, never stored."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kimchictl.catalog.distros import parse_distro
from kimchictl.catalog.fields import MAX_MEMORY, MIN_MEMORY
from kimchictl.catalog.naming import free_name, slug
from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid
from kimchictl.media.naming.osinfo_links import ImageLink, image_links
from kimchictl.store import Document

ORIGIN = "osinfo-db"


def osinfo_distro(stored: Mapping[str, Document], name: str) -> Template | None:
    """The entry that a list of all calls `name`."""
    return next((distro for distro in osinfo_distros(stored) if distro.name == name), None)


def osinfo_distros(stored: Mapping[str, Document]) -> Iterator[Template]:
    """An entry for every link of the database that no `stored` distro has, under a name that none of them has."""
    names, seen = set(stored), {str(document.data.get("cdrom")) for document in stored.values()}
    for link in image_links():
        if link.url in seen:
            continue
        seen.add(link.url)
        name = free_name(_name(link), names)
        try:
            yield parse_distro(_document(link, name), f"distro {name!r}")
        except Invalid:
            continue  # a link that no template could name
        names.add(name)


def _name(link: ImageLink) -> str:
    parts = [link.short_id, link.variant, "" if link.os_arch in (None, "x86_64") else link.os_arch]
    return slug("-".join(part for part in parts if part), 100) or "unnamed"


def _document(link: ImageLink, name: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": name,
        "os_distro": link.os_distro,
        "os_version": link.os_version,
        "os_arch": link.os_arch,
        "cdrom": link.url,
        "description": re.sub(r"\s+", " ", f"{link.title} {link.variant}").strip() or name,
        "memory": link.memory and min(max(link.memory, MIN_MEMORY), MAX_MEMORY),
        "vcpus": link.vcpus,
        "disks": [{"size": link.disk}] if link.disk else None,
    }
    return {key: value for key, value in document.items() if value is not None}
