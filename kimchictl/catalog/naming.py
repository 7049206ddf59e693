"""Names for what has none: a template after its system, a clone after its template. Free of the names already taken."""

import os
import re
from collections.abc import Container

from kimchictl.media.records import Identity

MAX_NAME = 200

# Editions that tell two installations of one version apart; netinst, dvd and the like lead to the same system.
_TELLING = frozenset(
    {"server", "live", "workstation", "cloud", "core", "edge", "iot", "silverblue", "kinoite", "sericea"}
)
# The systems that come as a desktop and as a server: of the others it need not be said.
_ALSO_DESKTOPS = frozenset({"ubuntu", "fedora", "mageia", "deepin", "zorin"})
# Labels that authoring tools write when nobody chooses one.
_MEANINGLESS = frozenset(
    {
        "",
        "cdrom",
        "cd-rom",
        "isoimage",
        "iso",
        "image",
        "untitled",
        "new",
        "new-volume",
        "volume",
        "dvd",
        "disc",
        "no-label",
    }
)
_POINTLESS = {"debian": 1, "ubuntu": 2}


def system_name(identity: Identity, volume_id: str, location: str) -> str:
    """A readable name: `debian-12`, `ubuntu-24.04-server`; for an unknown system its label's, else its file's name."""
    if identity.os_distro == "unknown":
        label = slug(volume_id)
        return label if label not in _MEANINGLESS else slug(_stem(location)) or "unknown"
    parts = [slug(identity.os_distro), slug(_release(identity)), slug(identity.edition or "")]
    if parts[2] not in _TELLING or (parts[2] == "server" and parts[0] not in _ALSO_DESKTOPS):
        parts.pop()
    if identity.os_arch and identity.os_arch not in ("x86_64", "i686", "i386"):
        parts.append(slug(identity.os_arch))
    return "-".join(part for part in parts if part and part != "unknown") or "unknown"


def _release(identity: Identity) -> str:
    """The version without a point release where the system has such: Debian 12.5.0 is Debian 12."""
    version = identity.os_version
    of_variant = re.search(r"([0-9][0-9.]*)$", identity.os_variant or "")
    if of_variant and version.startswith(of_variant[1] + "."):
        return of_variant[1]
    parts = version.split(".")
    keep = _POINTLESS.get(identity.os_distro, len(parts))
    return ".".join(parts[:keep]) if parts[0].isdecimal() else version


def _stem(location: str) -> str:
    """The file's name without its ending where that says what it is; of a path, a volume or a URL."""
    last = re.split(r"[?#]", location)[0] if "://" in location else location
    stem, suffix = os.path.splitext(last.rstrip("/").rsplit("/", 1)[-1])
    return stem if suffix.lower() in (".iso", ".img", ".qcow2", ".raw") else stem + suffix


def slug(text: str, limit: int = 60) -> str:
    """`text` in lower case with everything but letters, digits, '.' and '+' as single dashes, cut to `limit` bytes."""
    words = re.sub(r"[^\w.+]+|_+", "-", text.strip().lower())
    return _cut(re.sub(r"-{2,}", "-", words), limit).strip("-.")


def free_name(base: str, taken: Container[str]) -> str:
    """`base`, else `base-2`, `base-3`...: the first that is not taken."""
    return base if base not in taken else _numbered(base, "-", 2, taken)


def clone_name(name: str, taken: Container[str]) -> str:
    """`name-clone1`, `name-clone2`...: the first that is not taken."""
    return _numbered(name, "-clone", 1, taken)


def numbered_clone(name: str, number: int) -> str:
    """`name-clone1` and so on."""
    return _with_number(name, "-clone", number)


def _numbered(base: str, joint: str, number: int, taken: Container[str]) -> str:
    while (candidate := _with_number(base, joint, number)) in taken:
        number += 1
    return candidate


def _with_number(base: str, joint: str, number: int) -> str:
    tail = f"{joint}{number}"
    return _cut(base, MAX_NAME - len(tail)) + tail


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes of `text`, no character torn."""
    return text.encode(errors="replace")[:limit].decode(errors="ignore").rstrip()
