"""Which pools lie on storage that other hosts can reach: there, nobody can tell from here who uses a volume."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kimchictl.actions.storage.samefile import real_paths
from kimchictl.errors import KimchiError
from kimchictl.media.scan.mounts import Mounts
from kimchictl.virt.storage import pools
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

REMOTE = ("netfs", "iscsi", "iscsi-direct", "rbd", "sheepdog", "gluster", "vstorage")  # pools on a server


def with_sharing(host: "Host", listed: Iterable[Volume]) -> list[Volume]:
    """`listed` with `shared`: True where another host may use it, None where that cannot be told."""
    every = list(listed)
    shared = {name: _is_shared(host, name) for name in {volume.pool for volume in every}}
    return [replace(volume, shared=shared[volume.pool]) for volume in every]


def _is_shared(host: "Host", pool: str) -> bool | None:
    with suppress(KimchiError):  # it is gone since
        kind, path, _free = pools.outline(host, pool)
        if kind in REMOTE:
            return True
        if path and kind in ("dir", "fs") and host.is_local and not host.is_test:
            return reaches_far(path, Mounts.read())
    return None  # a volume group's disks, or a directory of another host, may be anywhere


def reaches_far(directory: str, mounts: Mounts) -> bool:
    """Whether a directory of this machine is on a file system that a server, or a cluster, stands behind."""
    found = mounts.covering(real_paths([directory], ()).get(directory, directory).encode("utf-8", "surrogateescape"))
    return not (found.local or found.virtual or found.kind == "unknown")
