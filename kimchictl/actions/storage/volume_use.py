"""Who needs a volume, asked before something is done to it."""

from collections.abc import Iterable
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.samefile import Names
from kimchictl.actions.storage.uses import look_around
from kimchictl.actions.vms.vm_usage import as_raw
from kimchictl.errors import InUse, Invalid, WrongState
from kimchictl.virt.domain import domains
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def require_unused(volume: Volume, unseen: Iterable[Pool] = ()) -> None:
    """Raises InUse, naming them, if VMs, templates or other images need `volume`, as `listing.Look` shows it.

    Raises WrongState if something in a pool that cannot be looked at may need it.
    """
    if children := children_among(volume.used_by):
        raise _backs(volume, children)
    if volume.used_by:
        raise in_use(_what(volume), volume)
    require_seen(_what(volume), unseen)


def children_among(used_by: Iterable[str]) -> list[str]:
    """Those that are images, which a volume backs: a VM's name, or a template's, holds no slash."""
    return [name for name in used_by if "/" in name]


def require_seen(what: str, unseen: Iterable[Pool]) -> None:
    """Raises WrongState if a pool cannot be looked at: what is in it may need `what`, a volume or a pool.

    What backs only disks whose server is down looks as if nobody needed it, also to who deletes all orphans by night.
    """
    for pool in unseen:
        raise WrongState(
            f"{what} may be needed by what is in pool {pool.name!r}, which cannot be looked at: {pool.error}",
            f"bring its storage back; or kimchictl pool stop {quote(pool.name)}, if nothing in it counts",
        )


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
    """Raises InUse, naming them, if `volume` backs others: they would be lost with it, or changed.

    Raises WrongState if something in a pool that cannot be looked at may need it.
    """
    uses = look_around(host)
    if children := uses.children(volume.path):
        raise _backs(volume, children)
    require_seen(_what(volume), uses.unseen)
    if doubt := uses.doubt():
        host.note(doubt)


def _backs(volume: Volume, children: list[str]) -> InUse:
    return InUse(f"{_what(volume)} backs {', '.join(children)}")


def require_still(host: "Host", volume: Volume) -> None:
    """Raises InUse if a VM that is not off can write to `volume`."""
    if writers := writers_of(host, volume):
        raise InUse(f"{_what(volume)} is in use by vm {', '.join(writers)}", f"kimchictl vm stop {quote(writers[0])}")


def writers_of(host: "Host", volume: Volume) -> list[str]:
    """The VMs that are not off and have `volume` as a disk that they can write to, sorted."""
    disks = [(name, disk) for name, said in domains.running(host) for disk in said.disks]
    disks = [(name, disk) for name, disk in disks if disk.device == "disk" and not disk.readonly]
    names = Names(host, [volume])
    names.learn([volume.path, *(disk.source for _, disk in disks)])
    own = {names(volume.path or ""), f"pool:{volume.pool}/{volume.name}"}
    return sorted({name for name, disk in disks if disk.source and names(disk.source) in own})


def known_as_raw(host: "Host", volume: Volume) -> bool:
    """Whether a VM has it as a raw disk, or below one: then what its guest wrote there is no header."""
    return look_around(host).is_raw(volume.path, f"pool:{volume.pool}/{volume.name}")


def known(host: "Host", volume: Volume) -> Volume:
    """`volume` as what it is known to be: one known as raw has its length, and nothing that backs it."""
    if volume.format in ("raw", "iso", None) or not known_as_raw(host, volume):
        return volume
    return as_raw(volume)


def _what(volume: Volume) -> str:
    return f"volume {volume.name!r} of pool {volume.pool!r}"
