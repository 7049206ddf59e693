"""The image that a disk is made upon: a volume of an active pool, as libvirt makes disks upon nothing else."""

import os
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.uses import look_around
from kimchictl.actions.storage.volume_changes import require_known_chain
from kimchictl.actions.vms.vm_usage import as_raw, label
from kimchictl.catalog.records import Disk
from kimchictl.errors import NotFound
from kimchictl.units import GIB
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def base_volume(host: "Host", location: str) -> volumes.Volume:
    """The volume at `location`, a path or pool:POOL/VOLUME. Raises NotFound, WrongState."""
    if location.startswith("pool:"):
        pool, _, name = location.removeprefix("pool:").partition("/")
        return volumes.find_volume(host, pool, name)
    found = volumes.find_by_path(host, location)
    if found is None and host.is_local and not host.is_test and not os.path.lexists(location):
        raise NotFound(f"base image {location} is missing", "bring it back, or make its template anew")
    if found is None:
        raise NotFound(
            f"base image {location} is in no active pool of the host",
            f"kimchictl pool create NAME --type dir --path {quote(os.path.dirname(location))} --start",
        )
    return found


def find_base(host: "Host", location: str) -> volumes.Volume:
    """The same, as a disk can be made upon it.

    Raises Invalid, too, for one that stands upon what nobody knows; InUse for one that a VM can write to, running or
    off: what is made upon it would be damaged.
    """
    found, uses = base_volume(host, location), look_around(host)
    uses.require_unwritten(f"base image {location}", found.path, label(found))
    if uses.is_raw(found.path, label(found)):
        found = as_raw(found)  # its guest may have written a header
    require_known_chain(host, found)  # an editor, an import or a later change may have brought it
    return found


def disk_size(disk: Disk, base: volumes.Volume | None) -> int:
    """The bytes of a disk upon `base`, which it is never smaller than, rounded up to whole GiB."""
    least = -(-(base.capacity or 0) // GIB) * GIB if base else 0
    return max((disk.size or 0) * GIB, least) or GIB
