"""The files and directories of a medium, whatever its file system is: what the trees are made of, and how one is found.

The medium is never opened whole: to find `a/b` costs a read of the root directory and one of `a`. A directory is read
as far as MAX_DIRECTORY; what a record says is believed only as far as the medium reaches.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from kimchictl.media.source import Source

MAX_DIRECTORY = 384 << 10


class Node(NamedTuple):
    """A file or directory: where its bytes are, as (offset, length) pairs, or its content where that is inline."""

    directory: bool
    extents: tuple[tuple[int, int], ...]
    inline: bytes = b""

    @property
    def size(self) -> int:
        return len(self.inline) or sum(length for _, length in self.extents)


Opener = Callable[[], Node | None]


class Tree(Protocol):
    """A tree of files of a medium."""

    def root(self) -> Node | None:
        """The root directory, None where there is none that can be read."""

    def entries(self, directory: Node) -> Iterator[tuple[str, Opener]]:
        """The names in a directory, in the medium's order, each with what opens it."""


def read_node(source: Source, node: Node, offset: int, size: int) -> bytes:
    """The `size` bytes at `offset` of a file or directory, fewer at its end."""
    if node.inline:
        return node.inline[offset : offset + size]
    parts = []
    for start, length in node.extents:
        if offset < length and size > 0:
            data = source.read(start + offset, min(size, length - offset))
            parts.append(data)
            size -= len(data)
            offset += len(data)
            if offset < length:
                break
        offset -= length
    return b"".join(parts)


class Directories:
    """The content of directories, each read once however many names are looked for in it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: dict[Node, bytes] = {}

    def read(self, directory: Node) -> bytes:
        """The records in `directory`, as far as MAX_DIRECTORY."""
        if directory not in self._read:
            self._read[directory] = read_node(self._source, directory, 0, min(directory.size, MAX_DIRECTORY))
        return self._read[directory]


def find(tree: Tree, path: str) -> Node | None:
    """The file or directory at `path`; names are compared without case, as no two names of a medium differ only so."""
    node = tree.root()
    for name in path.split("/"):
        if node is None or not node.directory:
            return None
        wanted = {name.lower(), name.lower().replace(".", "_", 1)}  # mkisofs writes a leading dot as an underscore
        opener = next((opener for found, opener in tree.entries(node) if found.lower() in wanted), None)
        node = opener() if opener else None
    return node
