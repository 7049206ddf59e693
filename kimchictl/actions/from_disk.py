"""A template whose disk is backed by an image of an installed system: that image is never written."""

import os
from collections.abc import Callable
from dataclasses import replace

from kimchictl.actions.create_template import Draft
from kimchictl.actions.provenance import made
from kimchictl.catalog.merge import merge
from kimchictl.catalog.naming import system_name
from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Disk, Template
from kimchictl.catalog.templates import recommend
from kimchictl.errors import Invalid
from kimchictl.media.diskimage import read_disk_image, refuse_strangers
from kimchictl.media.records import Identity
from kimchictl.media.settings import settings_for
from kimchictl.units import GIB


def draft_from_disk(
    path: str,
    name: str | None,
    changes: Changes,
    backing: tuple[str, ...] = (),
    look: Callable[[str], None] | None = None,
) -> Draft:
    """The template for disks backed by the qcow2 or raw image at `path`; its system is what options say.

    `backing` are files that the image's header may name; `look` may refuse the image's path, its links resolved. The
    first disk is never smaller than the image. Raises NotFound, Invalid, Failed, Damaged.
    """
    image = read_disk_image(path)
    refuse_strangers(image, tuple(os.path.realpath(file) for file in backing))
    if look is not None:
        look(image.path)
    said = {key: changes.values[key] for key in ("os_distro", "os_version", "os_arch") if changes.values.get(key)}
    identity = Identity(**said)
    title = name if name is not None else system_name(identity, "", image.path)
    least = max(-(-image.virtual_size // GIB), 1)
    bare = Template(title, disks=(Disk(size=least, base=image.path),))
    template = merge(bare, changes, f"template {title!r}")
    if not template.disks:
        raise Invalid(f"template {title!r}: without a disk there is nothing that {image.path} could back")
    first = replace(template.disks[0], base=image.path, size=max(template.disks[0].size or least, least))
    notes = [f"{path} leads to {image.path}, which the template names"] if os.path.abspath(path) != image.path else []
    if template.disks[0].size is not None and template.disks[0].size < least:
        notes.append(f"disk 0 gets {least} GiB: {image.path} is that large")
    template = replace(template, disks=(first, *template.disks[1:]))
    return Draft(recommend(template, settings_for(identity), made("create")), name is not None, tuple(notes))
