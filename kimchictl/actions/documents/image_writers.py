"""Which VMs can write to a disk image: one that somebody writes cannot back other disks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kimchictl.errors import HostError

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def refuse_written(host: Callable[[], "Host"], path: str, note: Callable[[str], None]) -> None:
    """Raises InUse if a VM of the host, running or not, can write to the image at `path`, links resolved.

    Where no host can be asked, `note` is told so.
    """
    from kimchictl.actions.storage.uses import uses_of

    try:
        uses_of(host(), ()).require_unwritten(f"image {path}", path)
    except HostError as error:
        note(f"whether a VM writes to {path} is not known: {error}")
