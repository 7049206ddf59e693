"""Bytes into a volume and out of it through libvirt's stream: for hosts and pools whose files cannot be reached here.

upload         a new volume of exactly these bytes, or none at all
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from kimchictl.errors import Failed
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.volumes import Volume, create_volume, find_handle, read_volume

_PIECE = 256 << 10  # bytes; libvirt's messages hold little more


def upload(host: Host, pool_name: str, name: str, size: int, pieces: Iterable[bytes]) -> Volume:
    """Make the volume, `size` bytes, raw, and fill it with `pieces`; deleted again when anything goes wrong.

    It can be seen by others while it grows, as libvirt has no rename for a volume. Raises Exists, NotFound,
    WrongState, Failed, and what `pieces` raises.
    """
    made = create_volume(host, pool_name, name, size, "raw")
    handle = find_handle(host, pool_name, name)
    try:
        _fill(host, handle, name, size, pieces)
        with asking(f"volume {name!r} of pool {pool_name!r}"):
            handle.storagePoolLookupByVolume().refresh(0)
            return read_volume(find_handle(host, pool_name, name), pool_name)
    except BaseException:
        with suppress(host.lib.libvirtError):
            find_handle(host, pool_name, made.name).delete(0)
        raise


def _fill(host: Host, handle: Any, name: str, size: int, pieces: Iterable[bytes]) -> None:
    stream = host.conn.newStream(0)
    done = 0
    try:
        with asking(f"volume {name!r} cannot be written"):
            handle.upload(stream, 0, size, 0)
        for piece in pieces:
            done += len(piece)
            view = memoryview(piece)
            while view:
                with asking(f"volume {name!r} cannot be written"):
                    view = view[stream.send(bytes(view[:_PIECE])) :]
        if done != size:
            raise Failed(f"volume {name!r} got {done} bytes, not {size}")
        with asking(f"volume {name!r} cannot be written"):
            stream.finish()
    except BaseException:
        with suppress(host.lib.libvirtError):
            stream.abort()
        raise
