"""Fetch an image into a storage pool.

A pool of this host with a directory gets a file: resumed, verified before it has its name, nothing left on failure. Any
other pool is filled through libvirt's stream: the volume is there while it grows and is deleted on failure. A note
(unfinished.py) tells the next verb of what a killed process left.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from kimchictl.actions.images.fetch import expected_of, fetch, file_name_of, same_image
from kimchictl.actions.storage.unfinished import noted
from kimchictl.actions.storage.volume_upload import directory_here
from kimchictl.errors import Exists, Failed
from kimchictl.media.remote import NetSettings
from kimchictl.media.remote.download import Fetched, Transfer
from kimchictl.media.remote.part import part_path
from kimchictl.media.source import Source
from kimchictl.progress import SILENT, Progress
from kimchictl.units import format_size
from kimchictl.virt.connection import Host
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.volumes import Volume
from kimchictl.virt.storage.volumesource import open_volume
from kimchictl.virt.storage.volumestream import upload


@dataclass(frozen=True, slots=True)
class FetchedVolume:
    """`volume` is what is in the pool now, `fetched` how it came there."""

    volume: Volume
    fetched: Fetched


def fetch_volume(
    host: Host,
    pool: str,
    addresses: Sequence[str],
    checksum: str | None,
    net: NetSettings,
    name: str | None = None,
    progress: Progress = SILENT,
    state_dir: str | None = None,
) -> FetchedVolume:
    """The image of the first of `addresses` that answers as the volume `name` (None: as its URL calls it) of `pool`.

    What the pool has already is not fetched again. With `state_dir` there is a note of it meanwhile. Raises NotFound,
    WrongState, Exists, Failed, Damaged, Locked.
    """
    title = name if name is not None else file_name_of(addresses[0])
    volumes.check_name(title)
    pools.find_active_pool(host, pool)
    directory = directory_here(host, pool)
    if directory is not None:
        path = os.path.join(directory, title)
        with noted(host, state_dir, "fetch", pool, part_name(title), None) as note:
            note.made()  # a file of this name is nobody else's
            done = fetch(addresses, path, checksum, net, progress)
    else:
        done = _through_libvirt(host, pool, title, addresses, checksum, net, progress, state_dir)
    pools.list_pools(host, (pool,))
    return FetchedVolume(volumes.find_volume(host, pool, title), done)


def part_name(name: str) -> str:
    """What the volume `name` is called while it is fetched into a directory."""
    return os.path.basename(part_path(name))


def _through_libvirt(
    host: Host,
    pool: str,
    name: str,
    addresses: Sequence[str],
    checksum: str | None,
    net: NetSettings,
    progress: Progress,
    state_dir: str | None,
) -> Fetched:
    expected = expected_of(checksum, addresses, net)
    if name in volumes.names(host, pool):
        return _already(open_volume(host, pool, name), addresses, net, progress)
    transfer = Transfer(addresses, net, expected, progress)
    pieces = iter(transfer)
    first = next(pieces, b"")
    size = transfer.size
    if size is None:
        raise Failed(
            f"the server of {transfer.url} does not tell the length of the image",
            "fetch it to a file, and upload that: kimchictl volume upload",
        )
    available = pools.outline(host, pool)[2]
    if size > available:
        raise Failed(f"{name} needs {format_size(size)}, and {format_size(available)} are free in pool {pool!r}")
    progress.begin(f"fetching {name}", size, "bytes")
    try:
        with noted(host, state_dir, "fetch", pool, name, size, grows=True) as note:
            filling = _reported(chain([first], pieces), transfer, progress.advance)
            upload(host, pool, name, size, filling, note.made)
    finally:
        progress.end()
    return Fetched(name, transfer.url, size, transfer.checksum, expected is not None)


def _reported(pieces: Iterator[bytes], transfer: Transfer, advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        advance(transfer.done)


def _already(there: Source, addresses: Sequence[str], net: NetSettings, progress: Progress) -> Fetched:
    """Its bytes are on another host, so its checksum is not computed: size and first sectors must do."""
    with there:
        if not same_image(addresses, there, net, progress):
            raise Exists(f"{there.location} already exists and is not the image of {addresses[0]}")
        progress.note(f"{there.location} is there already, with the size and the first sectors of the image")
        return Fetched(there.location, addresses[0], there.size or 0, None, verified=False, fetched=False)
