"""Storage volumes changed in place, or copied by the host itself."""

from collections.abc import Callable
from typing import Any

from kimchictl.errors import Exists, Invalid, TimedOut
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import Running
from kimchictl.virt.storage.pools import find_active_pool, outline
from kimchictl.virt.storage.volumes import (
    BLOCK_POOLS,
    Volume,
    check_name,
    find_handle,
    names,
    read_volume,
)
from kimchictl.virt.storage.volumexml import Permissions, volume_xml

# virStorageVolWipeAlgorithm, in its order. All but zero and trim need scrub(1) on the host.
WIPES = ("zero", "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim")
_LOOK_SECONDS = (
    0.01,
    0.25,
)  # at first, as a copy that is there is to be noted as one's own; then twice as long each time
_CONVERTED = ("qcow2", "qcow", "qed", "vmdk", "vpc", "vdi")  # what qemu-img writes; all else is copied as it is


def resize_volume(
    host: Host, pool: str, name: str, size: int, shrink: bool, look: Callable[[], None] = lambda: None
) -> None:
    """Make it `size` bytes; smaller only with `shrink`. Until it is done, `look` is called every now and then.

    qemu-img looks at all of a qcow2 that it cuts, holes included. Raises NotFound, WrongState, Invalid.
    """
    volume = find_handle(host, pool, name)
    flags = host.lib.VIR_STORAGE_VOL_RESIZE_SHRINK if shrink else 0
    with asking(f"volume {name!r} of pool {pool!r} cannot be resized"):
        _to_the_end(host, f"resize volume {name!r}", lambda: volume.resize(size, flags), look)


def wipe_volume(host: Host, pool: str, name: str, algorithm: str, look: Callable[[], None] = lambda: None) -> None:
    """Overwrite what is in it; until it is done, `look` is called every now and then. Raises NotFound, WrongState."""
    volume = find_handle(host, pool, name)
    with asking(f"volume {name!r} of pool {pool!r} cannot be wiped"):
        _to_the_end(host, f"wipe volume {name!r}", lambda: volume.wipePattern(WIPES.index(algorithm), 0), look)


def clone_volume(
    host: Host,
    pool: str,
    name: str,
    to_pool: str,
    new: str,
    watch: Callable[[int], None] = lambda _taken: None,
    permissions: Permissions | None = None,
) -> Volume:
    """Copy it, with all that backs it, as `new` into `to_pool`; nothing is left of a copy that fails.

    Until it is done, `watch` is told every now and then how many bytes the copy takes: never before it is there, and
    then it is this one's own. Raises NotFound, Exists, WrongState, Invalid.
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
        document = volume_xml(new, volume.capacity, form, full=block, permissions=permissions)
        call: Running[Any] = Running(lambda: target.createXMLFrom(document, source, 0))
        try:
            made = _watched(call, new, lambda: _tell_size(host, target, new, watch))
        except host.lib.libvirtError:
            raise
        except BaseException:
            _end(host, call, new)
            raise
        return read_volume(made, to_pool)


def _to_the_end(host: Host, what: str, work: Callable[[], Any], look: Callable[[], None]) -> None:
    """One blocking call into libvirt, which goes on when it is interrupted here: that is said."""
    try:
        _watched(Running(work), what, look)
    except host.lib.libvirtError:
        raise
    except BaseException:
        host.note(f"libvirt goes on to {what}, which cannot be stopped")
        raise


def _watched(call: "Running[Any]", what: str, look: Callable[[], None]) -> Any:
    """The result of one blocking call into libvirt, which can only be looked at from beside it."""
    seconds, most = _LOOK_SECONDS
    while True:
        try:
            return call.wait(seconds, what)
        except TimedOut:
            look()
            seconds = min(2 * seconds, most)


def _tell_size(host: Host, pool: Any, name: str, watch: Callable[[int], None]) -> None:
    try:
        taken = pool.storageVolLookupByName(name).info()[2]
    except host.lib.libvirtError as error:
        if not is_code(error, "NO_STORAGE_VOL"):
            raise
    else:
        watch(taken)


def _end(host: Host, call: "Running[Any]", new: str) -> None:
    """After an interrupt: libvirt lets nobody stop a copy, nor delete it before it is whole."""
    host.note(f"volume {new!r} is deleted as soon as libvirt ends the copy, which cannot be stopped")
    try:
        call.wait(None, new).delete(0)
    except host.lib.libvirtError:
        return  # the copy failed by itself, or the connection did: then its note tells the next one
