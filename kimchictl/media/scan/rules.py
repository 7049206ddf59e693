"""What a walk enters, and what it takes."""

import os
import re
from collections.abc import Callable
from typing import NamedTuple


class Rules(NamedTuple):
    """What the options of a scan say. `exclude` holds globs: of a name, or with a slash of a path."""

    exclude: tuple[str, ...] = ()
    cross_filesystems: bool = False
    follow_symlinks: bool = False
    all_files: bool = False

    @property
    def remembers(self) -> bool:
        """Are directory stamps enough to know that nothing changed?

        Not with links, whose targets change unseen, nor if any file may become an image by a change of its content.
        """
        return not (self.follow_symlinks or self.all_files)

    def key(self) -> str:
        """Differs where a walk might find something else in the same directories."""
        return repr((sorted(self.exclude), self.cross_filesystems, self.follow_symlinks, self.all_files))

    def excluded(self) -> Callable[[bytes], bool] | None:
        """A test of absolute paths, or None when nothing is excluded."""
        if not self.exclude:
            return None
        match = re.compile("|".join(map(_pattern, self.exclude)).encode("latin-1"), re.DOTALL).match
        return lambda path: match(path) is not None


def _pattern(glob: str) -> str:
    """A regular expression over whole paths, as Latin-1 text so that any byte can stand in it."""
    import fnmatch

    text = os.fsencode(glob.rstrip("/") or "/").decode("latin-1")
    if "/" not in text:
        return r"(?:.*/)(?!.*/)" + fnmatch.translate(text)  # of the last component only
    return fnmatch.translate(text if text.startswith("/") else "*/" + text)
