"""The disc with virtio drivers for Windows, whose installer has none: found in the index, else in the pools.

Its volume id and its file are called virtio-win-VERSION: https://github.com/virtio-win/virtio-win-pkg-scripts
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kimchictl.errors import KimchiError
from kimchictl.media.records import Image
from kimchictl.virt.storage import poolcontents, volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_NAME = re.compile(r"virtio-win\b", re.IGNORECASE)


def find_driver_disc(host: "Host", images: Iterable[Image]) -> str | None:
    """A path or pool:POOL/VOLUME, of the newest version that is known; None if none is."""
    known = {image.volume_id or "": image.location for image in images if _is_one(image)}
    if known:
        return known[max(known, key=_version)]
    found = {}
    for contents in poolcontents.active_pools(host):
        for name in _names(host, contents):
            if _NAME.match(name) and name.endswith(".iso"):
                found[name] = f"pool:{contents.name}/{name}"
    return found[max(found, key=_version)] if found else None


def _names(host: "Host", contents: poolcontents.PoolContents) -> Iterable[str]:
    """What was listed already, but for pools whose volumes are not files of this machine."""
    try:
        return volumes.names(host, contents.name) if contents.streamed else [name for name, _ in contents.volumes]
    except KimchiError:
        return ()  # it went inactive meanwhile; no pool is needed for this


def _is_one(image: Image) -> bool:
    usable = image.source in ("file", "pool") and image.error is None
    return usable and bool(_NAME.match(image.volume_id or ""))


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d{1,9}", name))
