"""The second walk of a place: asks each remembered directory whether it is still the same, and reads the others."""

import os
from collections.abc import Callable, Iterable

from kimchictl.media.scan.mounts import Mount
from kimchictl.media.scan.stamps import Stamps
from kimchictl.media.scan.walk import Walk


class Rewalk:
    """`walk` gets the trail and the files of the directories read; `kept` are those that were not.

    `nothing_new`: not one directory had to be read; then `kept` is empty and all that is remembered holds.
    """

    def __init__(self, walk: Walk, known: Stamps) -> None:
        self.walk, self.known = walk, known
        self.kept: set[bytes] = set()
        self.nothing_new = False
        self._below: dict[bytes, set[bytes]] = {}  # of each directory read again: the names not yet accounted for

    def run(self, place: bytes, points: Iterable[bytes]) -> None:
        """Bring the walk of `place` up to date. `points`: where something was mounted or unmounted since."""
        if not self.walk.resume(place, self.known.devices[0]):
            return
        # A mount point's parent decides whether it is entered, and is not changed by what is mounted.
        forced = {path for point in points for path in (point, os.path.dirname(point))}
        altered = set(self.known.altered(_hazard(self.walk.mounts.below(place).values())))
        if not altered and not forced:
            self.nothing_new = True
            return
        self._go_over(altered, forced)
        for parent, names in self._below.items():
            for name in sorted(names):
                self._descend(os.path.join(parent, name))

    def _go_over(self, altered: set[int], forced: set[bytes]) -> None:
        """Keep, read again or drop every remembered directory; parents come first."""
        walk, known = self.walk, self.known
        gone: set[bytes] = set()
        rows = zip(known.paths(), known.stamps, known.devices, known.inodes, strict=True)
        for place, (path, stamp, device, inode) in enumerate(rows):
            if walk.interrupted or os.path.dirname(path) in gone or not self._expected(path):
                gone.add(path)
            elif place not in altered and path not in forced:
                walk.keep(path, stamp, device, inode)
                self.kept.add(path)
            elif not self._renew(path, device, inode):
                gone.add(path)

    def _expected(self, path: bytes) -> bool:
        """Does the directory above still have this one? Where that was not read again, yes."""
        parent, name = os.path.split(path)
        names = self._below.get(parent)
        if names is None or path == parent:
            return True
        if name not in names:
            return False
        names.discard(name)
        return True

    def _renew(self, path: bytes, device: int, inode: int) -> bool:
        """Read `path` again; False when nothing that is remembered below it counts any more."""
        if not self.walk.may_enter(path):
            return False
        names = self.walk.renew(path, (device, inode))
        if names is None:
            self._descend(path)
            return False
        self._below[path] = set(names)
        return True

    def _descend(self, path: bytes) -> None:
        if not self.walk.interrupted:
            self.walk.descend(path)


def _hazard(mounts: Iterable[Mount]) -> Callable[[bytes], bool] | None:
    """A test of paths that a stat could hang on: at or below the mount point of what is not local."""
    points = tuple(mount.point for mount in mounts if not mount.local)
    if not points:
        return None
    below = tuple(point + b"/" for point in points)
    return lambda path: path in points or path.startswith(below)
