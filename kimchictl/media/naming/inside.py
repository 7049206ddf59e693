"""What a medium says of itself in a file, for the labels that cannot tell: one file is found and read.

    .disk/info            Debian, Ubuntu and what comes of them: a line of text
    .treeinfo             Red Hat, Fedora, CentOS and what comes of them: INI, [general] family, version, arch;
                          XenServer and XCP-ng: [branding] name, version
    media.repo            the same, older: INI, [InstallMedia] name
    .cd-info              Proxmox: shell variables
    sources/install.wim   Windows: a header, which says where XML about the images in it lies
    EFI/BOOT              the names of the boot files say the architecture

What was found is one line, "disk ...", "tree NAME VERSION ARCH" or "wim client|server VERSION ARCH", which our rules
match as the label `inside`. Never more than MAX_READS reads, MAX_BYTES bytes and MAX_SECONDS are spent on it.
"""

import re
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from kimchictl.errors import KimchiError
from kimchictl.media.descriptors import Descriptors, read_descriptors
from kimchictl.media.naming.iso_tree import IsoTree
from kimchictl.media.naming.labels import MAX_INSIDE
from kimchictl.media.naming.nodes import Node, Tree, find, read_node
from kimchictl.media.naming.osinfo_files import Element, Unparsable, parse_document
from kimchictl.media.naming.udf_tree import UdfTree
from kimchictl.media.source import Source

MAX_READS = 64
MAX_BYTES = 1 << 20
MAX_SECONDS = 2.0

_TEXT_BYTES = 4096
_WIM_XML_BYTES = 512 << 10
_WIM = struct.Struct("<8s64xQQ")  # magic; resource header of the XML data at 0x48: 7 bytes of size and flags, offset
_WIM_ARCHES = {"0": "i686", "5": "armv7l", "6": "ia64", "9": "x86_64", "12": "aarch64"}
_BOOT_FILES = {
    "bootx64.efi": "x86_64",
    "bootaa64.efi": "aarch64",
    "bootriscv64.efi": "riscv64",
    "bootloongarch64.efi": "loongarch64",
    "bootarm.efi": "armv7l",
    "bootia64.efi": "ia64",
    "bootia32.efi": "i686",
}


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found: the file's path and what it says as one line, and the architecture of the boot files."""

    path: str | None = None
    text: str | None = None
    arch: str | None = None


NOTHING = Inside()


class _Spent(Exception):
    """The reads, the bytes or the time allowed are used up."""


class _Bounded(Source):
    """A source that can be read from only so much."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.location, source.kind, source.size, source.mtime)
        self._source = source
        self._reads, self._bytes = MAX_READS, MAX_BYTES
        self._until = time.monotonic() + MAX_SECONDS

    def read(self, offset: int, size: int) -> bytes:
        self._reads -= 1
        self._bytes -= size
        if self._reads < 0 or self._bytes < 0 or time.monotonic() > self._until:
            raise _Spent
        return self._source.read(offset, size)


def look_inside(source: Source) -> Inside:
    """What the medium says of itself in a file; nothing where it has none that we know, or is damaged there."""
    bounded = _Bounded(source)
    path = text = arch = None
    try:
        for tree in _trees(bounded, read_descriptors(bounded)):
            path, text = _first_text(bounded, tree)
            arch = arch or _boot_files(tree)
            if text:
                break
    except (_Spent, KimchiError, struct.error):
        pass  # what was found so far is what there is
    return Inside(path, text, arch)


def _trees(source: Source, found: Descriptors) -> Iterator[Tree]:
    """The trees of a medium, the most telling first: of a bridge of UDF and ISO 9660, UDF may hold all there is."""
    kinds = {volume.kind: volume for volume in reversed(found.volumes)}
    for kind in ("primary", "joliet"):
        if kind in kinds:
            yield IsoTree(source, kinds[kind])
    if found.udf:
        yield UdfTree(source)


def _first_text(source: Source, tree: Tree) -> tuple[str | None, str | None]:
    for path, reader in _READERS:
        node = find(tree, path)
        if node is not None and not node.directory:
            text = reader(source, node)
            if text:
                return path, text
    return None, None


def _boot_files(tree: Tree) -> str | None:
    """The architecture that the names below EFI/BOOT are for; the first of ours where there are several."""
    node = find(tree, "EFI/BOOT")
    names = {name.lower() for name, _ in tree.entries(node)} if node and node.directory else set()
    return next((arch for name, arch in _BOOT_FILES.items() if name in names), None)


def _disk_info(source: Source, node: Node) -> str | None:
    line = _text(source, node).strip().partition("\n")[0]
    return f"disk {line}"[:MAX_INSIDE] if line else None


def _treeinfo(source: Source, node: Node) -> str | None:
    text = _text(source, node)
    general, branding = _section(text, "general"), _section(text, "branding")
    name, version = general.get("family"), general.get("version")
    if not (name and version):
        name, version = branding.get("name"), branding.get("version")
    return f"tree {name} {version} {general.get('arch', '')}".strip()[:MAX_INSIDE] if name and version else None


def _cd_info(source: Source, node: Node) -> str | None:
    values = {key: value.strip("'\"") for key, value in _section(_text(source, node), "").items()}
    name, version = values.get("productlong"), values.get("release")
    return f"tree {name} {version}"[:MAX_INSIDE] if name and version else None


def _media_repo(source: Source, node: Node) -> str | None:
    name = _section(_text(source, node), "installmedia").get("name")
    return f"tree {name}"[:MAX_INSIDE] if name else None


def _text(source: Source, node: Node) -> str:
    """The beginning of a text file, control characters as blanks."""
    text = read_node(source, node, 0, _TEXT_BYTES).decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _section(text: str, wanted: str) -> dict[str, str]:
    """The keys of a section of an INI file, in lower case; "" is what comes before the first section."""
    section = ""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]").strip().lower()
        elif section == wanted and "=" in line:
            key, _, value = line.partition("=")
            values.setdefault(key.strip().lower(), value.strip())
    return values


def _wim(source: Source, node: Node) -> str | None:
    """What the XML of a Windows image says of its first system."""
    header = read_node(source, node, 0, _WIM.size)
    if len(header) < _WIM.size:
        return None
    magic, size, offset = _WIM.unpack(header)
    size &= (1 << 56) - 1  # the highest byte holds flags
    if magic != b"MSWIM\0\0\0" or not 0 < size <= _WIM_XML_BYTES:
        return None
    try:
        root = parse_document(read_node(source, node, offset, size))
    except Unparsable:
        return None
    return _windows(root)


def _windows(root: Element) -> str | None:
    image = next((child for child in root.children if child.tag == "IMAGE"), None)
    system = image.find("WINDOWS") if image else None
    version = system.find("VERSION") if system else None
    if system is None or version is None:
        return None
    numbers = [version.value(tag) or "0" for tag in ("MAJOR", "MINOR", "BUILD")]
    if not all(re.fullmatch(r"\d{1,6}", number) for number in numbers):
        return None
    kind = "server" if (system.value("PRODUCTTYPE") or "").lower() == "servernt" else "client"
    arch = _WIM_ARCHES.get(system.value("ARCH") or "", "")
    return f"wim {kind} {'.'.join(numbers)} {arch}".strip()


_READERS = (
    (".disk/info", _disk_info),
    (".treeinfo", _treeinfo),
    ("media.repo", _media_repo),
    (".cd-info", _cd_info),
    ("sources/install.wim", _wim),
    ("sources/install.esd", _wim),
)
