"""Whether what names images has changed since a scan: then known images are named anew, else they are not opened."""

import os
from collections.abc import Mapping

from kimchictl import __version__
from kimchictl.config import Places


def knowledge_key(places: Places, environ: Mapping[str, str] = os.environ) -> str:
    """A text that differs when our rules, the site's, or the installed osinfo-db do.

    It costs a few calls to stat: of the database its VERSION and the directories that a package's files come and go in.
    """
    rules = [os.path.join(path, "rules") for path in (*places.data_dirs, *places.config_dirs)]
    stamps = [__version__, *(stamp for path in rules for stamp in _directory(path))]
    for variable, usual in (("SYSTEM", "/usr/share/osinfo"), ("LOCAL", "/etc/osinfo"), ("USER", "")):
        tree = environ.get(f"OSINFO_{variable}_DIR") or usual
        stamps += [_stamp(os.path.join(tree, name)) for name in ("VERSION", "os") if tree]
    return " ".join(stamps)


def _directory(path: str) -> list[str]:
    try:
        return [_stamp(os.path.join(path, name)) for name in sorted(os.listdir(path)) if name.endswith(".json")]
    except OSError:
        return ["-"]


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return f"{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}"
