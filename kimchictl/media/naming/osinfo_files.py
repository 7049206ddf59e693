"""Where osinfo-db is installed, which of its files count, and how they are read.

libosinfo reads three trees, each over the one before: the distribution's (OSINFO_SYSTEM_DIR, /usr/share/osinfo), the
machine's (OSINFO_LOCAL_DIR, /etc/osinfo) and the user's (OSINFO_USER_DIR, $XDG_CONFIG_HOME/osinfo). A file of a later
tree replaces the one with the same path below an earlier tree; `os/VENDOR/NAME.d/*.xml` adds to `os/VENDOR/NAME.xml`.

The files are somebody else's: bounded in number, size and depth, and a document type declaration is refused, with it
every entity that could grow or reach out.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_FILES = 20_000
MAX_BYTES = 4 << 20
MAX_DEPTH = 24
MAX_ELEMENTS = 100_000


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """One file of the database: its path below the tree, its real path, size and time of change in nanoseconds."""

    name: str
    path: str
    size: int
    mtime: int


@dataclass(slots=True)
class Element:
    """An XML element: its own text without its children's, and the children in order."""

    tag: str
    attributes: Mapping[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, tag: str) -> "Element | None":
        """The first child of that name that is no translation."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str | None:
        """The text of the first such child, None where there is none or it is empty."""
        child = self.find(tag)
        return child.text.strip() or None if child else None


class Unparsable(Exception):
    """A file that is no XML document we want to read; the message says why."""


def directories(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The trees of the database, lowest first, whether they exist or not; needs no HOME."""
    home = environ.get("XDG_CONFIG_HOME") or ""
    if not home.startswith("/"):
        home = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    system = environ.get("OSINFO_SYSTEM_DIR") or environ.get("OSINFO_DATA_DIR") or "/usr/share/osinfo"
    local = environ.get("OSINFO_LOCAL_DIR") or "/etc/osinfo"
    return system, local, environ.get("OSINFO_USER_DIR") or os.path.join(home, "osinfo")


def find_files(trees: tuple[str, ...]) -> list[DatabaseFile]:
    """The files about systems that count, each after what it adds to; what cannot be listed is not there."""
    found: dict[str, DatabaseFile] = {}
    for tree in trees:
        _list(os.path.join(tree, "os"), "os", found, 0)
    # "NAME.d/x.xml" goes after "NAME.xml", which plain sorting would turn round.
    return sorted(found.values(), key=lambda file: file.name.replace(".xml", " ").replace(".d/", "~"))


def _list(directory: str, name: str, found: dict[str, DatabaseFile], depth: int) -> None:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir() and depth < 4:
                    _list(entry.path, f"{name}/{entry.name}", found, depth + 1)
                elif entry.name.endswith(".xml") and len(found) < MAX_FILES and entry.is_file():
                    status = entry.stat()
                    path = f"{name}/{entry.name}"
                    found[path] = DatabaseFile(path, entry.path, status.st_size, status.st_mtime_ns)
    except OSError:
        return  # absent is the rule for two of the three trees, and an unreadable one names nothing


def read_document(path: str) -> Element:
    """The root element of the XML file at `path`, translations left out. Raises Unparsable."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unparsable(error.strerror or "cannot be read") from None
    if len(data) > MAX_BYTES:
        raise Unparsable(f"is larger than {MAX_BYTES >> 20} MiB")
    return parse_document(data)


def parse_document(data: bytes) -> Element:
    """The root element of an XML document, translations left out. Raises Unparsable."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # ValueError, LookupError: of a strange encoding
        raise Unparsable(str(error)) from None
    if builder.root is None:
        raise Unparsable("holds no element")
    return builder.root


class _Builder:
    """Builds the tree of elements; what is inside a translation is skipped."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.stack: list[Element] = []
        self.elements = 0
        self.skipped = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.skipped or "xml:lang" in attributes:
            self.skipped += 1
            return
        self.elements += 1
        if len(self.stack) >= MAX_DEPTH or self.elements > MAX_ELEMENTS:
            raise Unparsable("is nested too deep or has too many elements")
        element = Element(tag, attributes)
        if self.stack:
            self.stack[-1].children.append(element)
        else:
            self.root = element
        self.stack.append(element)

    def end(self, tag: str) -> None:
        if self.skipped:
            self.skipped -= 1
        else:
            self.stack.pop()

    def text(self, text: str) -> None:
        if not self.skipped:
            self.stack[-1].text += text

    def refuse(self, *_: object) -> None:
        raise Unparsable("declares a document type, which a database file has no need of")
