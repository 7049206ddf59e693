"""Who needs a volume, asked before something is done to it."""

import os
from collections.abc import Callable
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.spellings import by_real_paths, really, users_of
from kimchictl.actions.vms.vm_usage import as_known, as_raw, children_of, raw_paths
from kimchictl.errors import InUse, Invalid, NotFound, WrongState
from kimchictl.virt.connection import silent
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def require_unused(volume: Volume) -> None:
    """Raises InUse, naming them, if VMs, templates or other volumes need `volume`, as `listing.Look` shows it."""
    if children := [name for name in volume.used_by if name.startswith("pool:")]:
        raise _backs(volume, children)
    if volume.used_by:
        raise in_use(_what(volume), volume)


def in_use(what: str, seen: Volume | Pool) -> InUse:
    """That `what`, a volume or a pool, is in use, by what of which kind, with how the first of them lets go of it."""
    named = [f"{'template' if name in seen.templates else 'vm'} {name!r}" for name in seen.used_by]
    first = quote(seen.used_by[0])
    if seen.used_by[0] in seen.templates:
        hint = f"kimchictl template edit {first} changes what it names; template delete {first} forgets it"
    else:
        hint = f"kimchictl vm disk list {first} shows what it has; vm disk detach and vm cdrom eject take it away"
    return InUse(f"{what} is in use by {', '.join(named)}", hint)


def require_content(volume: Volume) -> None:
    """Raises Invalid for a directory, which libvirt lists as a volume."""
    if volume.type not in ("file", "block", "network"):
        raise Invalid(f"{_what(volume)} is a {volume.type}, which has no content of its own")


def require_childless(host: "Host", volume: Volume) -> None:
    """Raises InUse, naming them, if `volume` backs others: they would be lost with it, or changed."""
    if children := backed_by(host, volume, all_volumes(host)):
        raise _backs(volume, children)


def _backs(volume: Volume, children: list[str]) -> InUse:
    return InUse(f"{_what(volume)} backs {', '.join(children)}")


def backed_by(host: "Host", volume: Volume, listed: list[Volume]) -> list[str]:
    """Those of `listed` that `volume` backs, as "pool:POOL/VOLUME", by whatever name they call it."""
    *every, real = really(host, [*listed, volume])
    return children_of(real.path or "", every)


def all_volumes(host: "Host", note: Callable[[str], None] = silent) -> list[Volume]:
    """The volumes of all active pools, which are refreshed first; of those that do not answer, what was last known.

    Those pools are noted, as what is in them can need any volume; `note` is told of volumes that are left out.
    """
    looks = _as_they_look(host, note)
    users = users_of(host, looks)
    return by_real_paths(host, looks, lambda real: as_known(real, users))


def _as_they_look(host: "Host", note: Callable[[str], None] = silent) -> list[Volume]:
    found = []
    for pool in pools.list_pools(host):
        if not pool.active:
            continue
        if not pool.reachable:
            host.note(f"pool {pool.name!r}: what its volumes are, and need, is not known: {pool.error}")
        if pool.state == pools.UNREACHABLE:
            continue
        with suppress(NotFound, WrongState):  # it is gone since
            found += volumes.list_volumes(host, pool.name, pool.reachable, note)
    return found


def require_still(host: "Host", volume: Volume) -> None:
    """Raises InUse if a VM that is not off can write to `volume`."""
    if writers := writers_of(host, volume):
        raise InUse(f"{_what(volume)} is in use by vm {', '.join(writers)}", f"kimchictl vm stop {quote(writers[0])}")


def writers_of(host: "Host", volume: Volume) -> list[str]:
    """The VMs that are not off and have `volume` as a disk that they can write to, sorted."""
    return sorted(
        {
            name
            for name, said in domains.running(host)
            for disk in said.disks
            if not disk.readonly and disk.device == "disk" and _is(host, disk.source, volume)
        }
    )


def _is(host: "Host", source: str | None, volume: Volume) -> bool:
    """Whether a disk's source is `volume`, by whatever name. That of a VM that runs is open, so it can be looked at."""
    if not source or source in (volume.path, f"pool:{volume.pool}/{volume.name}"):
        return bool(source)
    here = host.is_local and not host.is_test and source.startswith("/") and volume.path is not None
    return here and os.path.realpath(source) == os.path.realpath(volume.path or "")


def known_as_raw(host: "Host", volume: Volume) -> bool:
    """Whether a VM has `volume` as a raw disk, or below one: then what its guest wrote there is no header."""
    looks = [*_as_they_look(host), volume]
    real = really(host, looks)
    return real[-1].path in raw_paths(real, users_of(host, looks))


def known(host: "Host", volume: Volume) -> Volume:
    """`volume` as what it is known to be: one known as raw has its length, and nothing that backs it."""
    if volume.format in ("raw", "iso", None) or not known_as_raw(host, volume):
        return volume
    return as_raw(volume)


def _what(volume: Volume) -> str:
    return f"volume {volume.name!r} of pool {volume.pool!r}"
