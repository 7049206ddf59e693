"""The directories that a walk met, kept small while it goes on: a million files lie in a hundred thousand of them.

Paths are kept in runs of up to 32, which are mostly close to each other: a run's head is what its paths have in common,
its names what is left of each, joined by NUL.
"""

import os
from array import array

RUN = 32


class Trail:
    """Parents before what is below them: of each run its length, head and names; of each directory its stamp (ns),
    device and inode number."""

    __slots__ = ("_run", "devices", "heads", "inodes", "lengths", "names", "stamps")

    def __init__(self) -> None:
        self.lengths, self.heads, self.names = array("B"), list[bytes](), list[bytes]()
        self.stamps, self.devices, self.inodes = array("q"), array("Q"), array("Q")
        self._run: list[bytes] = []

    def __len__(self) -> int:
        return len(self.stamps)

    def add(self, path: bytes, stamp: int, device: int, inode: int) -> None:
        """One directory, by its absolute path."""
        self.stamps.append(stamp)
        self.devices.append(device)
        self.inodes.append(inode)
        self._run.append(path)
        if len(self._run) == RUN:
            self.close_run()

    def close_run(self) -> None:
        """End the run that is being filled, before `lengths`, `heads` and `names` are read."""
        run = self._run
        if not run:
            return
        head = _common(run)
        cut = len(head.rstrip(b"/")) + 1
        self.lengths.append(len(run))
        self.heads.append(head)
        self.names.append(b"\0".join([path[cut:] or b"." for path in run]))
        run.clear()


def _common(run: list[bytes]) -> bytes:
    """The deepest directory that all of `run` lie below (or are, if it is the root)."""
    first, last = min(run), max(run)
    # What these two begin with alike, all between them do. The last component may go on in different ways.
    common = os.path.commonprefix([first, last]) or b"/"  # noqa: RUF071 - characters are meant
    return common[: common.rindex(b"/")] or b"/"
