"""A template whose disk is backed by an image of an installed system: that image is never written."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kimchictl.actions.documents.create_template import Draft
from kimchictl.actions.documents.provenance import made
from kimchictl.actions.images.sources import split_source
from kimchictl.catalog.merge import merge
from kimchictl.catalog.naming import system_name
from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Disk, Template
from kimchictl.catalog.templates import recommend
from kimchictl.errors import Invalid, NotFound
from kimchictl.media.diskimage import DiskImage, read_disk_image, refuse_strangers
from kimchictl.media.naming.settings import settings_for
from kimchictl.media.records import Identity
from kimchictl.units import GIB

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def find_disk(source: str, host: Callable[[], "Host"], remote: bool) -> tuple[DiskImage, str]:
    """The disk image that `source` names, and what a template calls it.

    A path names a file here, with a remote host one there, which is looked up as a volume; pool:POOL/VOLUME names one
    of the host. Raises NotFound, Failed, Damaged, HostError, and Invalid for what can back no disk.
    """
    kind, rest = split_source(source)
    if kind == "url":
        raise Invalid(f"{source} is far away: an image that backs a disk has to be in a pool", "kimchictl volume fetch")
    if kind == "path" and not remote:
        image = read_disk_image(source)
        return image, image.path
    from kimchictl.virt.storage import volumes

    pool, _, name = rest.partition("/")
    volume = volumes.find_volume(host(), pool, name) if kind == "pool" else volumes.find_by_path(host(), source)
    if volume is None or volume.path is None:
        raise NotFound(f"{source} is no volume of an active pool of the host", "kimchictl volume list shows those")
    if not remote and os.access(volume.path, os.R_OK):
        return read_disk_image(volume.path), f"pool:{volume.pool}/{volume.name}"
    if volume.format not in ("qcow2", "raw"):
        raise Invalid(f"{source} is a {volume.format} file: only qcow2 and raw images can back a disk")
    image = DiskImage(volume.path, volume.format, volume.capacity or 0, volume.backing)
    return image, f"pool:{volume.pool}/{volume.name}"


def draft_from_disk(
    source: str,
    found: tuple[DiskImage, str],
    name: str | None,
    changes: Changes,
    backing: tuple[str, ...] = (),
    look: Callable[[str], None] | None = None,
) -> Draft:
    """The template for disks backed by the image that was `found` for `source`; its system is what options say.

    `backing` are files that the image's header may name; `look` may refuse the image's path, its links resolved. The
    first disk is never smaller than the image. Raises NotFound, Invalid, Failed, Damaged.
    """
    image, base = found
    refuse_strangers(image, tuple(os.path.realpath(file) for file in backing))
    if look is not None:
        look(image.path)
    said = {key: changes.values[key] for key in ("os_distro", "os_version", "os_arch") if changes.values.get(key)}
    identity = Identity(**said)
    title = name if name is not None else system_name(identity, "", base)
    least = max(-(-image.virtual_size // GIB), 1)
    bare = Template(title, disks=(Disk(size=least, base=base),))
    template = merge(bare, changes, f"template {title!r}")
    if not template.disks:
        raise Invalid(f"template {title!r}: without a disk there is nothing that {base} could back")
    first = replace(template.disks[0], base=base, size=max(template.disks[0].size or least, least))
    link = base == image.path and os.path.abspath(source) != base
    notes = [f"{source} leads to {base}, which the template names"] if link else []
    if template.disks[0].size is not None and template.disks[0].size < least:
        notes.append(f"disk 0 gets {least} GiB: {base} is that large")
    template = replace(template, disks=(first, *template.disks[1:]))
    return Draft(recommend(template, settings_for(identity), made("create")), name is not None, tuple(notes))
