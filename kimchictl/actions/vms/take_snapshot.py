"""A snapshot of a VM, with a word on the storage that it goes to: the memory of a guest goes to its first disk."""

from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.vms.vm_usage import disk_volume
from kimchictl.errors import Damaged, Failed, KimchiError, NotFound, TimedOut, WrongState
from kimchictl.media.qcow2snapshots import snapshot_names
from kimchictl.media.source import Unreadable
from kimchictl.units import MIB, format_size
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.newsnapshot import create_snapshot
from kimchictl.virt.domain.snapshots import Snapshot
from kimchictl.virt.storage import presence
from kimchictl.virt.storage.pools import Pool
from kimchictl.virt.storage.volumesource import open_volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def take_snapshot(host: "Host", name: str, title: str | None, description: str | None) -> Snapshot:
    """See newsnapshot.create_snapshot. Raises Failed with the state of the VM then, and where there is no room."""
    domain = domains.find_domain(host, name)
    runs = domains.state_of(host, domain) in ACTIVE
    if runs and (pool := _pool_of(host, name)) is not None and pool.available is not None:
        with asking(f"vm {name!r}"):
            memory = domain.info()[2] << 10
        if memory > pool.available:
            room = f"{format_size(memory)} for its memory, and {format_size(pool.available)} are available"
            host.note(f"pool {pool.name!r} may run full: it may need {room}")
    try:
        return create_snapshot(host, name, title, description, lambda: _held(host, name))
    except Failed as error:
        raise _with_what_is(host, name, error, runs) from None


def _held(host: "Host", name: str) -> dict[str, str]:
    """The snapshots that its disks hold, each with a file that holds it; what cannot be read tells of none."""
    found: dict[str, str] = {}
    for disk in () if host.is_test else domains.describe(host, name).disks:
        if disk.device == "disk" and not disk.readonly and disk.format == "qcow2":
            with suppress(Damaged, Unreadable, NotFound, WrongState, TimedOut):
                volume = disk_volume(host, disk)
                if volume is not None:
                    with open_volume(host, volume.pool, volume.name) as source:
                        found |= dict.fromkeys(snapshot_names(source), source.location)
    return found


def _pool_of(host: "Host", name: str) -> Pool | None:
    """The pool of the first disk that can be in a snapshot: that gets the memory, too."""
    with suppress(KimchiError):
        for disk in domains.describe(host, name).disks:
            if disk.device == "disk" and not disk.readonly and disk.format == "qcow2":
                volume = disk_volume(host, disk)
                return presence.usable_pool(host, volume.pool) if volume is not None else None
    return None


def _with_what_is(host: "Host", name: str, error: Failed, runs: bool) -> Failed:
    """`error` with the state that the VM is in now, and what to do about storage that is full."""
    try:
        state = domains.state_of(host, domains.find_domain(host, name))
    except KimchiError:
        return error
    pool, hint = _pool_of(host, name), error.hint
    if pool is not None and pool.available is not None and pool.available < MIB:
        full = f"make room in pool {pool.name!r}, which is full: kimchictl volume orphans"
        stuck = f"; if vm {name!r} is paused by then: kimchictl vm resume {quote(name)}" if runs else ""
        hint = full + stuck
    return Failed(f"{error}; nothing was taken, and vm {name!r} is {state}", hint)
