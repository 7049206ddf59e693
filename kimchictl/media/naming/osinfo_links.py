"""The image links of an installed osinfo-db: not compiled into its cache, since one command alone asks for them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kimchictl.media.naming.namer import OSINFO_NAMES
from kimchictl.media.naming.osinfo_files import Element, Unparsable, directories, find_files, read_document
from kimchictl.units import GIB, MIB

SCHEMES = ("https://", "http://", "ftp://", "ftps://")


@dataclass(frozen=True, slots=True)
class ImageLink:
    """A link to an image. `variant` is the database's word for the edition or ""; `memory` is MiB, `disk` GiB.

    `short_id` is the system's ("debian12"); the last three are None where the database recommends nothing.
    """

    short_id: str
    os_distro: str
    os_version: str
    os_arch: str | None
    variant: str
    title: str
    url: str
    memory: int | None = None
    vcpus: int | None = None
    disk: int | None = None


def image_links(environ: Mapping[str, str] = os.environ) -> Iterator[ImageLink]:
    """Every link of the database that the caller's libosinfo would read; files that are damaged are passed over."""
    for file in find_files(directories(environ)):
        try:
            root = read_document(file.path)
        except Unparsable:
            continue
        for system in root.children:
            if system.tag == "os":
                yield from _of_system(system)


def _of_system(system: Element) -> Iterator[ImageLink]:
    distro = system.value("distro") or "unknown"
    for medium in system.children:
        url = medium.value("url") if medium.tag == "media" else None
        if url is None or not url.startswith(SCHEMES):
            continue
        arch = medium.attributes.get("arch", "all")
        variants = [child.attributes.get("id", "") for child in medium.children if child.tag == "variant"]
        yield ImageLink(
            system.value("short-id") or "",
            OSINFO_NAMES.get(distro, distro),
            system.value("version") or "rolling",
            None if arch == "all" else arch,
            "-".join(filter(None, variants)),
            system.value("name") or "",
            url,
            *_recommended(system, arch),
        )


def _recommended(system: Element, arch: str) -> tuple[int | None, int | None, int | None]:
    """Memory in MiB, CPUs and storage in GiB, of this architecture or of all."""
    by_arch = {child.attributes.get("arch"): child for child in system.children if child.tag == "resources"}
    resources = by_arch.get(arch) or by_arch.get("all")
    figures = resources.find("recommended") if resources else None

    def number(tag: str, unit: int) -> int | None:
        text = figures.value(tag) if figures else None
        good = text is not None and text.isascii() and text.isdigit() and len(text) < 18
        return -(-int(text or 0) // unit) or None if good else None

    return number("ram", MIB), number("n-cpus", 1), number("storage", GIB)
