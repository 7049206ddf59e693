"""The image that a disk is made upon: a volume of an active pool, as libvirt makes disks upon nothing else."""

import os
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.volume_changes import require_known_chain
from kimchictl.actions.storage.volume_use import known
from kimchictl.errors import NotFound
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def find_base(host: "Host", location: str) -> volumes.Volume:
    """The volume at `location`, a path or pool:POOL/VOLUME. Raises NotFound, WrongState; Invalid."""
    if location.startswith("pool:"):
        pool, _, name = location.removeprefix("pool:").partition("/")
        found: volumes.Volume | None = volumes.find_volume(host, pool, name)
    else:
        found = volumes.find_by_path(host, location)
    if found is None:
        raise NotFound(
            f"base image {location} is in no active pool of the host",
            f"kimchictl pool create NAME --type dir --path {quote(os.path.dirname(location))} --start",
        )
    found = known(host, found)  # the guest of a raw disk may have written what looks like a header
    require_known_chain(host, found)  # an editor, an import or a later change may have brought it
    return found
