"""Storage volumes changed in place, or copied by the host itself."""

from typing import Any

from kimchictl.errors import Exists, Invalid
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.storage.pools import find_active_pool, outline
from kimchictl.virt.storage.volumes import (
    BLOCK_POOLS,
    Volume,
    check_name,
    find_handle,
    names,
    read_volume,
    volume_xml,
)

# virStorageVolWipeAlgorithm, in its order. All but zero and trim need scrub(1) on the host.
WIPES = ("zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim")
_CONVERTED = ("qcow2", "qcow", "qed", "vmdk", "vpc", "vdi")  # what qemu-img writes; all else is copied as it is


def resize_volume(host: Host, pool: str, name: str, size: int, shrink: bool) -> None:
    """Make it `size` bytes; smaller only with `shrink`. Raises NotFound, WrongState, Invalid."""
    volume = find_handle(host, pool, name)
    with asking(f"volume {name!r} of pool {pool!r} cannot be resized"):
        volume.resize(size, host.lib.VIR_STORAGE_VOL_RESIZE_SHRINK if shrink else 0)


def wipe_volume(host: Host, pool: str, name: str, algorithm: str) -> None:
    """Overwrite what is in it. Raises NotFound, WrongState."""
    volume = find_handle(host, pool, name)
    with asking(f"volume {name!r} of pool {pool!r} cannot be wiped"):
        volume.wipePattern(WIPES.index(algorithm), 0)


def clone_volume(host: Host, pool: str, name: str, to_pool: str, new: str) -> Volume:
    """Copy it, with all that backs it, as `new` into `to_pool`; nothing is left of a copy that fails.

    Raises NotFound, Exists, WrongState, Invalid.
    """
    check_name(new)
    source = find_handle(host, pool, name)
    target = find_active_pool(host, to_pool)
    block = outline(host, to_pool)[0] in BLOCK_POOLS
    with asking(f"volume {name!r} of pool {pool!r} cannot be cloned"):
        volume = read_volume(source, pool)
    if volume.type not in ("file", "block", "network") or volume.capacity is None:
        raise Invalid(f"volume {name!r} of pool {pool!r} is a {volume.type}, which cannot be cloned")
    if new in names(host, to_pool):
        raise Exists(f"volume {new!r} already exists in pool {to_pool!r}")
    form = volume.format if volume.format in _CONVERTED and not block else "raw"
    with asking(f"volume {name!r} of pool {pool!r} cannot be cloned"):
        made: Any = target.createXMLFrom(volume_xml(new, volume.capacity, form, full=block), source, 0)
        return read_volume(made, to_pool)
