"""Which VMs can write to a disk image: one that somebody writes cannot back other disks."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kimchictl.errors import HostError, InUse, NotFound, WrongState

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host
    from kimchictl.virt.domain.domainread import VmDisk


def refuse_written(host: Callable[[], "Host"], path: str, note: Callable[[str], None]) -> None:
    """Raises InUse if a VM of the host, running or not, can write to the image at `path`, links resolved.

    Where no host can be asked, `note` is told so.
    """
    try:
        writers = _writers(host(), path)
    except HostError as error:
        note(f"whether a VM writes to {path} is not known: {error}")
        return
    if writers:
        names = ", ".join(map(repr, writers))
        hint = f"kimchictl template create --from-vm {writers[0]!r} copies it"
        raise InUse(f"image {path} is a disk of vm {names}, which can write to it", hint)


def _writers(host: "Host", path: str) -> list[str]:
    from kimchictl.virt.domain.domains import descriptions

    return sorted(
        {
            name
            for name, said in descriptions(host)
            for disk in said.disks
            if disk.device in ("disk", "lun") and not disk.readonly and _path(host, disk) == path
        }
    )


def _path(host: "Host", disk: "VmDisk") -> str | None:
    from kimchictl.virt.storage.volumes import find_volume

    if disk.pool and disk.volume:
        try:
            found = find_volume(host, disk.pool, disk.volume).path
        except (NotFound, WrongState):
            return None
    else:
        found = disk.source
    return os.path.realpath(found) if found and found.startswith("/") else None
