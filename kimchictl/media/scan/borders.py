"""Which of the file systems below a place a walk may enter: asked before one is touched, as its server may be dead."""

import os

from kimchictl.media.scan.mounts import Mount, Mounts, answers
from kimchictl.media.scan.rules import Rules


class Borders:
    """`points` are the mounts below the place that was entered last. `problems` gets why one is not entered.

    `deadline` (s): how long the server of a mount has for its first answer, which is asked for once in a scan.
    """

    def __init__(self, rules: Rules, mounts: Mounts, deadline: float, problems: dict[bytes, str]) -> None:
        self.rules, self.mounts, self.deadline, self.problems = rules, mounts, deadline, problems
        self.points: dict[bytes, Mount] = {}
        self._place = b"/"
        self._answered: dict[bytes, bool] = {}

    def enter(self, place: bytes) -> bool:
        """Make ready for `place`, a real path, and say whether it is a place to look at."""
        mount = self.mounts.covering(place)
        if mount.virtual:
            self.problems[place] = f"a {mount.kind} file system holds no images"
            return False
        self._place, self.points = place, self.mounts.below(place)
        return self._answered.get(mount.point, True)

    def can_lead_in_circles(self) -> bool:
        """Only a link, or a file system that some program makes up, can. A bind mount cannot, and what it shows twice
        is found out by the files themselves."""
        met = (self.mounts.covering(self._place), *self.points.values())
        return self.rules.follow_symlinks or not all(mount.stamped for mount in met)

    def may_enter(self, path: bytes, linked: bool = False) -> bool:
        """May the directory `path`, perhaps a mount point, be entered? `linked`: it may be anywhere."""
        mount = self.mounts.covering(path) if linked else self.points.get(path)
        if mount is None:
            return True
        if mount.virtual:
            return False
        if mount.device == self.mounts.covering(self._place).device:
            return True  # a bind mount of the same file system, or a link to elsewhere on it
        if not self.rules.cross_filesystems:
            return False
        return mount.local or self._answers(path, mount)

    def may_follow(self, path: bytes) -> bool:
        """May what a link leads to be looked at?"""
        mount = self.mounts.covering(path)
        return not mount.virtual and (mount.local or self._answers(mount.point, mount))

    def give_up(self, mount: Mount) -> None:
        """Its server is dead: from now on nothing on it is touched."""
        self._answered[mount.point] = False
        self.problems[mount.point] = f"its {mount.kind} file system does not answer any more"

    def _answers(self, path: bytes, mount: Mount) -> bool:
        if path not in self._answered:
            self._answered[path] = answers(lambda: os.listdir(path), self.deadline)
            if not self._answered[path]:
                self.problems[path] = f"its {mount.kind} file system did not answer within {self.deadline:g} s"
        return self._answered[path]
