"""What is typed after --disk, --network, --graphics and the like, as fragments of a document.

    --disk [INDEX,]size=20G,format=qcow2,pool=default,bus=virtio | none
    --network NAME | bridge=BR | user | none     and ,model=MODEL after it
    --graphics vnc|spice|none[,ADDRESS]
    --topology SOCKETS,CORES,THREADS

Pure functions of text. Ranges are checked where the document is (`fields`), so that a file gets the same answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kimchictl.catalog.fields import DISK
from kimchictl.errors import Invalid, UsageError
from kimchictl.units import GIB, MIB, parse_size

_DISK_KEYS = tuple(key.name for key in DISK.keys)


@dataclass(frozen=True, slots=True)
class DiskChange:
    """`values` of a disk; with `index` they change that disk, without they are a whole one. None takes a key away."""

    index: int | None
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """What options ask of a template: `values` by key (None takes a key away), `disks`, and `graphics` to merge.

    `disks` is None where nothing is said of them; an empty tuple is "no disks".
    """

    values: dict[str, Any] = field(default_factory=dict)
    disks: tuple[DiskChange, ...] | None = None
    graphics: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.values) or self.disks is not None or self.graphics is not None


def memory(text: str, option: str = "--memory") -> int:
    """MiB in "2G", "512M" or "2048". Raises UsageError, naming the option."""
    return _whole(text, option, MIB, "MiB")


def _whole(text: str, option: str, unit: int, unit_name: str) -> int:
    try:
        size = parse_size(text, bare=unit)
    except Invalid as error:
        raise UsageError(f"{option}: {error}", error.hint) from None
    if size % unit:
        raise UsageError(f"{option}: {text.strip()!r} is not a whole number of {unit_name}")
    return size // unit


def number(text: str, option: str) -> int:
    """A whole number. Raises UsageError, naming the option."""
    digits = text.strip()
    if not digits.isascii() or not digits.removeprefix("-").isdigit() or len(digits) > 18:
        raise UsageError(f"{option}: {text!r} is not a whole number")
    return int(digits)


def topology(text: str) -> dict[str, int]:
    """{"sockets", "cores", "threads"} in "1,2,2" or "sockets=1,cores=2,threads=2". Raises UsageError."""
    names = ("sockets", "cores", "threads")
    parts = [part.strip() for part in text.split(",")]
    if all("=" in part for part in parts):
        given = _pairs(parts, "--topology", names)
        return {name: number(given[name], f"--topology {name}") if name in given else 1 for name in names}
    if len(parts) != 3:
        raise UsageError(f"--topology {text!r} is not SOCKETS,CORES,THREADS", "for example 1,2,2")
    return {name: number(part, f"--topology {name}") for name, part in zip(names, parts, strict=True)}


def disks(texts: tuple[str, ...]) -> tuple[DiskChange, ...] | None:
    """Every --disk of a command line; None if there was none. Raises UsageError."""
    if not texts:
        return None
    if "none" in texts:
        if len(texts) > 1:
            raise UsageError("--disk none stands alone: it takes all disks away")
        return ()
    changes = tuple(_disk(text) for text in texts)
    indexed = sum(change.index is not None for change in changes)
    if 0 < indexed < len(changes):
        raise UsageError(
            "--disk with an index changes a disk and without one replaces all: not both at once",
            "give every --disk an index, or none of them",
        )
    return changes


def _disk(text: str) -> DiskChange:
    first, _, rest = text.partition(",")
    index = int(first) if first.strip().isascii() and first.strip().isdigit() and len(first) < 6 else None
    pairs = _pairs((rest if index is not None else text).split(","), "--disk", _DISK_KEYS)
    values: dict[str, Any] = {key: value or None for key, value in pairs.items()}
    if values.get("size"):
        values["size"] = _whole(values["size"], "--disk size", GIB, "GiB")
    return DiskChange(index, values)


def _pairs(parts: list[str], option: str, names: tuple[str, ...]) -> dict[str, str]:
    """{key: value} of "key=value" parts; "size" may stand without its key. Raises UsageError."""
    found: dict[str, str] = {}
    for part in parts:
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign:
            raise UsageError(f"{option}: {part!r} is not key=value", f"the keys are {', '.join(names)}")
        if key not in names:
            raise UsageError(f"{option} has no key {key!r}", f"the keys are {', '.join(names)}")
        if key in found:
            raise UsageError(f"{option} has the key {key!r} twice")
        found[key] = value
    return found


def networks(texts: tuple[str, ...]) -> list[dict[str, str]] | None:
    """Every --network of a command line, in order; None if there was none. Raises UsageError."""
    if not texts:
        return None
    if "none" in texts:
        if len(texts) > 1:
            raise UsageError("--network none stands alone: it takes all interfaces away")
        return []
    return [network(text) for text in texts]


def network(text: str) -> dict[str, str]:
    """One interface: "NAME", "network=NAME", "bridge=BR" or "user", and ",model=MODEL" after it. Raises UsageError."""
    head, _, rest = text.partition(",")
    kind, sign, name = (piece.strip() for piece in head.partition("="))
    found = _pairs(rest.split(","), "--network", ("model",)) if rest else {}
    if not sign:
        return {"type": "user", **found} if kind == "user" else {"type": "network", "name": kind, **found}
    if kind not in ("network", "bridge"):
        raise UsageError(f"--network {text!r} has the unknown type {kind!r}", "write NAME, bridge=BRIDGE or user")
    return {"type": kind, "name": name, **found}


def graphics(text: str) -> dict[str, Any]:
    """What of the display to change: "vnc", "spice,0.0.0.0", "none", ",::1" (the address alone)."""
    kind, _, address = (piece.strip() for piece in text.partition(","))
    fragment: dict[str, Any] = {"type": kind} if kind else {}
    if address:
        fragment["listen"] = address.removeprefix("listen=")
    if not fragment:
        raise UsageError(f"--graphics {text!r} is not vnc, spice or none, with ,ADDRESS if wanted")
    return fragment


_TEXTS = (
    "name",
    "os_distro",
    "os_version",
    "os_arch",
    "firmware",
    "virt_type",
    "icon",
    "folder",
    "description",
    "machine",
    "cpu",
    "disk_bus",
    "nic_model",
)
_KEPT = ("name", "os_distro", "os_version", "firmware", "virt_type")
"""Texts that an empty value does not take away: it is wrong instead."""


def changes_from(given: Mapping[str, Any]) -> Changes:
    """What options ask for, by their names; None and () are "not given". Raises UsageError.

    An empty text takes a key away.
    """
    values: dict[str, Any] = {}
    for key in _TEXTS:
        if given.get(key) is not None:
            values[key] = given[key].strip() if key in _KEPT else given[key].strip() or None
    for key, read in (("memory", memory), ("max_memory", memory), ("vcpus", number), ("max_vcpus", number)):
        if given.get(key) is not None:
            values[key] = read(given[key], f"--{key.replace('_', '-')}")
    for key in ("secure_boot", "tpm"):
        if given.get(key) is not None:
            values[key] = given[key]
    if given.get("topology") is not None:
        values["topology"] = topology(given["topology"]) if given["topology"].strip() else None
    if (interfaces := networks(tuple(given.get("network") or ()))) is not None:
        values["networks"] = interfaces
    display = given.get("graphics")
    return Changes(values, disks(tuple(given.get("disk") or ())), graphics(display) if display is not None else None)
