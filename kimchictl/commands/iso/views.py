"""How images are shown: the same from a probe, a scan and the index."""

from dataclasses import replace

from kimchictl.media.records import Image
from kimchictl.render import View

IMAGES = View(
    columns=("location", "os_distro", "os_version", "os_arch", "bootable", "size"),
    keys=tuple(Image.__dataclass_fields__),
    name="location",
    wide=("os_variant", "volume_id", "boot", "pool", "used_by", "identified_by", "error"),
    sort="location",
)

CHANGES = replace(IMAGES, columns=("change", *IMAGES.columns), keys=("change", *IMAGES.keys))
