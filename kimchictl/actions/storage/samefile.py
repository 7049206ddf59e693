"""One name for one file: over symbolic links, hard links and bind mounts it has several.

Of a file of this machine the name is "DEVICE:INODE", whatever path leads to it. What lies on another host cannot be
looked at: there a path is only written in one way, without what a `//` or a `/./` adds.
"""

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kimchictl.media.scan.mounts import Mounts, answers
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

SECONDS = 2.0  # that a file system may take to say what is in it


class Names:
    """`names(path)` is the name of the file at `path`, once it was learnt; of what is no path, it is that itself.

    Directories in which a volume could be read are known to answer; any other path is touched only if it does.
    """

    def __init__(self, host: "Host", listed: Iterable[Volume]) -> None:
        self._here = host.is_local and not host.is_test
        self._test = host.is_test
        self._known = {os.path.dirname(volume.path) for volume in listed if volume.path and volume.capacity is not None}
        self._of: dict[str, str] = {}
        self.silent: set[str] = set()  # paths that do not answer
        self.paths: dict[str, str] = {}  # of "pool:POOL/VOLUME"

    def __call__(self, source: str) -> str:
        return self._of.get(source, source)

    def learn(self, sources: Iterable[str | None]) -> None:
        """Look at those that are paths and that were not looked at before."""
        new = {each for each in sources if each and each.startswith("/") and each not in self._of}
        if not self._here:
            self._of |= {path: path if self._test or ".." in path else posixpath.normpath(path) for path in new}
            return
        doubtful = {path for path in new if os.path.dirname(path) not in self._known}
        self.silent |= doubtful - _answering(doubtful)
        self._of |= {path: path if path in self.silent else name_of(path) for path in new}

    def same_as(self, source: str, path: str) -> None:
        """`source`, "pool:POOL/VOLUME", is another word for `path`."""
        self.paths[source] = path
        self._of[source] = self(path)


def name_of(path: str) -> str:
    """That of a file of this machine, which must be known to answer; where there is none, its real path."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path) if "\0" not in path else path
    if stat.S_ISBLK(status.st_mode):
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return f"{status.st_dev:x}:{status.st_ino}"


def real_paths(sources: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Where those of `sources` that are paths of this machine really are; the directories `known` answer for sure."""
    paths, sure = {each for each in sources if each.startswith("/") and "\0" not in each}, set(known)
    doubtful = {path for path in paths if path not in sure and os.path.dirname(path) not in sure}
    return {path: os.path.realpath(path) for path in (paths - doubtful) | _answering(doubtful)}


def _answering(paths: Iterable[str]) -> set[str]:
    """Those of `paths` that can be asked for within the deadline, or are known not to be there.

    A child asks for those of one file system at a time, as a process that asks for what hangs can hang for ever.
    """
    wanted = set(paths)
    mounts = Mounts.read() if wanted else Mounts({})
    if not wanted or not mounts.may_hang():
        return wanted
    places: dict[bytes, list[str]] = {}
    for path in sorted(wanted):
        places.setdefault(mounts.covering(os.fsencode(path)).point, []).append(path)
    return {path for group in places.values() if answers(_touching(group), SECONDS) for path in group}


def _touching(paths: Sequence[str]) -> Callable[[], object]:
    def touch() -> None:
        for path in paths:
            with suppress(OSError, ValueError):
                os.stat(path)

    return touch
