"""A directory tree whose server may die while it is looked at."""

import os
import pickle
from collections.abc import Callable

from kimchictl.actions.images.surveys import TreeSurvey
from kimchictl.errors import TimedOut
from kimchictl.media.scan.watched import Stalled, Tell, watched
from kimchictl.progress import SILENT, Progress

_RESULT = ("place", "stamps", "interrupted", "forgetful", "counters")
_PATIENCE = 3  # times the deadline of a mount's first answer


class FarTreeSurvey(TreeSurvey):
    """It is looked at in a child; where that stalls, once more without the mount on which it did."""

    def run(self, progress: Progress) -> None:
        """Raises TimedOut where it stalls on what was given up already."""
        progress.begin(f"scanning {self.name}", unit="paths")
        touched = 0

        def heard(path: bytes) -> bool:
            nonlocal touched
            touched += 1
            if not touched & 255:
                progress.advance(touched, os.fsdecode(path))
            return path != b"" and not self.mounts.covering(path).local

        content = self._looked(heard)
        progress.end()
        if content is None:
            super().run(progress)  # what went wrong in the child goes wrong here, and says what it is
        else:
            for name, value in pickle.loads(content).items():  # noqa: S301 - our own
                setattr(self, name, value)

    def _looked(self, heard: Callable[[bytes], bool]) -> bytes | None:
        """What `_look` came to, without the mounts on which it stalled."""
        given_up: set[bytes] = set()
        while True:
            try:
                return watched(self._look, _PATIENCE * self.options.deadline, heard, interruptible=True)
            except Stalled as stalled:
                mount = self.mounts.covering(stalled.path)
                if mount.point in given_up:
                    raise TimedOut(f"{self.name!r} does not answer any more", "is the server up?") from None
                given_up.add(mount.point)
                self.walk.borders.give_up(mount)

    def _look(self, tell: Tell) -> bytes:
        """In the child: all that a survey does, and what came of it."""
        self.touching = self.walk.touching = tell
        super().run(SILENT)
        return pickle.dumps({name: getattr(self, name) for name in _RESULT})
