"""Volumes to and from files of this machine, and from pool to pool, as the bytes that they are.

DIRECTORY/
  NAME              what was downloaded: appears at once, whole, and never replaces what is there
  .NAME.STAMP.part  what has come so far. It stays when the download breaks off, and the next one goes on from
                    there if the volume still has the size and the times that STAMP was made of
"""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kimchictl.actions.storage.volume_use import require_childless, require_still
from kimchictl.errors import Damaged, Exists, Failed, NotFound
from kimchictl.files import failed
from kimchictl.media.remote.checksums import Checksum
from kimchictl.media.remote.part import Part, part_file
from kimchictl.media.source import Source, open_source
from kimchictl.progress import SILENT, Progress
from kimchictl.units import format_size
from kimchictl.virt.storage import pools, volumes, volumestream
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_READ = 1 << 20
_ZEROS = bytes(_READ)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`size` bytes at `path`, `resumed` of them from an earlier attempt; `checksum` where one was asked for."""

    path: str
    size: int
    resumed: int
    checksum: Checksum | None


# ---- up --------------------------------------------------------------------------------------------------------------


def find_target(host: "Host", pool: str, name: str) -> Volume | None:
    """The volume that an upload would replace, if it may be; None if there is none.

    Raises InUse if a running VM or another volume needs it, NotFound and WrongState for the pool.
    """
    volumes.check_name(name)
    pools.find_active_pool(host, pool)
    try:
        volume = volumes.find_volume(host, pool, name)
    except NotFound:
        return None
    require_still(host, volume)
    require_childless(host, volume)
    return volume


def upload_file(
    host: "Host",
    path: str,
    pool: str,
    name: str,
    replace: Volume | None = None,
    expected: Checksum | None = None,
    progress: Progress = SILENT,
) -> Volume:
    """The file or block device at `path` as the volume `name`; on failure there is none of that name.

    `replace` is what `find_target` found. A file that is not what is `expected` is refused before anything is changed.
    Raises NotFound, Failed, Damaged, Exists, WrongState.
    """
    with open_source(path) as source:
        size = source.size or 0
        _require_space(host, pool, name, size, replace)
        if expected is not None:
            _verify(source, size, expected, progress)
        if replace is not None:
            volumes.delete_volume(host, pool, replace.name)
        return _upload(host, pool, name, size, _pieces(source, size), progress)


def copy_bytes(host: "Host", volume: Volume, pool: str, new: str, progress: Progress = SILENT) -> Volume:
    """Copy a volume through this machine as the bytes that it is, whatever they look like."""
    size = volumes.find_file(host, volume.pool, volume.name).size or volume.capacity or 0
    return _upload(host, pool, new, size, _plain(volumestream.download(host, volume.pool, volume.name)), progress)


def _upload(host: "Host", pool: str, name: str, size: int, pieces: Iterator[bytes], progress: Progress) -> Volume:
    def reported() -> Iterator[bytes]:
        done = 0
        for piece in pieces:
            yield piece
            done += len(piece)
            progress.advance(done)

    progress.begin(f"uploading {name}", size, "bytes")
    try:
        return volumestream.upload(host, pool, name, size, reported())
    finally:
        progress.end()


def _require_space(host: "Host", pool: str, name: str, size: int, replace: Volume | None) -> None:
    """Raises Failed. A sparse file may need less than its size, which nobody can know beforehand."""
    pools.find_active_pool(host, pool)
    free = pools.outline(host, pool)[2] + ((replace.allocation or 0) if replace else 0)
    if size > free:
        raise Failed(f"{name} needs {format_size(size)}, and {format_size(free)} are free in pool {pool!r}")


def _pieces(source: Source, size: int) -> Iterator[bytes]:
    offset = 0
    while offset < size and (piece := source.read(offset, min(_READ, size - offset))):
        yield piece
        offset += len(piece)


def _verify(source: Source, size: int, expected: Checksum, progress: Progress) -> None:
    digest, done = hashlib.new(expected.algorithm), 0
    progress.begin(f"verifying {os.path.basename(source.location)}", size, "bytes")
    for piece in _pieces(source, size):
        digest.update(piece)
        done += len(piece)
        progress.advance(done)
    progress.end()
    _require_same(source.location, Checksum(expected.algorithm, digest.hexdigest()), expected)


def _require_same(what: str, found: Checksum, expected: Checksum) -> None:
    if found != expected:
        raise Damaged(f"{what} is not what its checksum says: {found}, not {expected}")


# ---- down ------------------------------------------------------------------------------------------------------------


def download_volume(
    host: "Host", pool: str, name: str, path: str, expected: Checksum | None = None, progress: Progress = SILENT
) -> Downloaded:
    """The bytes of the volume's file in the file `path`, which must not exist; holes stay holes.

    Raises NotFound, Exists, WrongState, Failed, Locked, and Damaged for another checksum than `expected`.
    """
    file = volumes.find_file(host, pool, name)
    if os.path.lexists(path):
        raise Exists(f"{path} already exists", "remove it, or choose another name")
    stamp = f"{zlib.crc32(repr((host.uri, pool, name, file)).encode('utf-8', 'surrogateescape')):08x}"
    with part_file(path, stamp, keep=True) as part:
        start = os.lseek(part.descriptor, 0, os.SEEK_END)
        if start > (file.size or 0):
            part.empty()
            start = 0
        _write(host, pool, name, part, path, start, file.size, progress)
        size = os.lseek(part.descriptor, 0, os.SEEK_END)
        checksum = _checksum_of(part, path, expected, progress)
        part.publish(path)
    return Downloaded(path, size, start, checksum)


def _write(
    host: "Host", pool: str, name: str, part: Part, path: str, start: int, size: int | None, progress: Progress
) -> None:
    if size is not None and start >= size > 0:
        return  # all of it came before; for libvirt, nothing to read would be an error
    done = start
    progress.begin(f"downloading {name}", size, "bytes")
    try:
        for piece in volumestream.download(host, pool, name, start):
            if isinstance(piece, int):
                done += piece
                os.ftruncate(part.descriptor, done)
                os.lseek(part.descriptor, done, os.SEEK_SET)
            else:
                part.write(piece)
                done += len(piece)
            progress.advance(done)
    except OSError as error:
        raise failed("write", path, error) from error
    finally:
        progress.end()
    if size is not None and done != size:
        raise Failed(f"volume {name!r} of pool {pool!r} gave {done} bytes, not {size}", "was it changed meanwhile?")


def _checksum_of(part: Part, path: str, expected: Checksum | None, progress: Progress) -> Checksum | None:
    """Of the whole file, what came earlier included; a file with another one is of no use to any later attempt."""
    if expected is None:
        return None
    digest, size, done = hashlib.new(expected.algorithm), os.fstat(part.descriptor).st_size, 0
    progress.begin(f"verifying {os.path.basename(path)}", size, "bytes")
    while piece := os.pread(part.descriptor, _READ, done):
        digest.update(piece)
        done += len(piece)
        progress.advance(done)
    progress.end()
    found = Checksum(expected.algorithm, digest.hexdigest())
    if found != expected:
        part.empty()
    _require_same(path, found, expected)
    return found


def write_volume(host: "Host", pool: str, name: str, output: BinaryIO) -> None:
    """The bytes of the volume's file into a pipe. Raises NotFound, WrongState, Failed."""
    for piece in _plain(volumestream.download(host, pool, name)):
        output.write(piece)
    output.flush()


def _plain(pieces: Iterable[bytes | int]) -> Iterator[bytes]:
    """Holes as the zeros that they stand for."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        while piece:
            length = min(piece, _READ)
            yield _ZEROS[:length]
            piece -= length
