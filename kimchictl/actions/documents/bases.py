"""Images that options name as what backs a disk: read before they are believed, and never larger than the disk."""

import os
from collections.abc import Callable
from dataclasses import replace

from kimchictl.catalog.options import Changes, DiskChange
from kimchictl.catalog.records import Disk, Template
from kimchictl.errors import KimchiError
from kimchictl.media.diskimage import read_disk_image, refuse_strangers
from kimchictl.units import GIB


def fit_bases(changes: Changes, template: Template | None, note: Callable[[str], None]) -> Changes:
    """`changes` with the paths of bases made absolute, their links resolved, and no disk smaller than its base.

    `template` is what they are laid over. Raises NotFound, Failed, Damaged, and Invalid for what is no disk image or
    names a file that nobody named.
    """
    former = (template.disks if template else None) or ()
    fitted = tuple(_fit(change, former, note) for change in changes.disks or ())
    return replace(changes, disks=fitted) if fitted else changes


def _fit(change: DiskChange, former: tuple[Disk, ...], note: Callable[[str], None]) -> DiskChange:
    values, index = change.values, change.index
    before = former[index].base if index is not None and index < len(former) else None
    base = values.get("base", before)
    if not base or base.startswith("pool:") or not values.keys() & {"base", "size"}:
        return change
    if "base" not in values:
        try:
            least = _gibibytes(read_disk_image(base).virtual_size)
        except KimchiError:
            return change  # it was there when the template was made; `template check` says what is wrong
    else:
        image = read_disk_image(os.path.abspath(base))
        refuse_strangers(image, ())
        values, least = {**values, "base": image.path}, _gibibytes(image.virtual_size)
    if values.get("size") and values["size"] < least:
        note(f"disk {index or 0} gets {least} GiB: {base} is that large")
        values = {**values, "size": least}
    return DiskChange(index, values)


def _gibibytes(size: int) -> int:
    return max(-(-size // GIB), 1)
