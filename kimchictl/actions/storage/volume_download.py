"""Volumes as files of this machine, or into a pipe: exactly the bytes that they are.

DIRECTORY/
  NAME              what was downloaded: appears at once, whole, and never replaces what is there
  .NAME.STAMP.part  what has come so far. It stays when the download breaks off, and the next one goes on from
                    there if the volume is a file that has the size and the times that STAMP was made of; else it
                    removes it
"""

import hashlib
import os
import re
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kimchictl.actions.storage.volume_input import READ, plain
from kimchictl.actions.storage.volume_upload import require_same
from kimchictl.errors import Exists, Failed, KimchiError
from kimchictl.files import failed
from kimchictl.media.remote.checksums import Checksum
from kimchictl.media.remote.part import Part, part_file
from kimchictl.progress import SILENT, Progress
from kimchictl.virt.storage import volumes, volumestream

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`size` bytes at `path`, `resumed` of them from an earlier attempt; `checksum` where one was asked for."""

    path: str
    size: int
    resumed: int
    checksum: Checksum | None


def download_volume(
    host: "Host", pool: str, name: str, path: str, expected: Checksum | None = None, progress: Progress = SILENT
) -> Downloaded:
    """The bytes of the volume's file in the file `path`, which must not exist; holes stay holes.

    Raises NotFound, Exists, WrongState, Failed, Locked, and Damaged for another checksum than `expected`.
    """
    volume, file = volumes.find_both(host, pool, name)
    if os.path.lexists(path):
        raise Exists(f"{path} already exists", "remove it, or choose another name")
    stamp = f"{zlib.crc32(repr((host.uri, pool, name, file)).encode('utf-8', 'surrogateescape')):08x}"
    with part_file(path, stamp, keep=True) as part:
        _forget_others(path, part)
        start = os.lseek(part.descriptor, 0, os.SEEK_END)
        if start > (file.size or 0) or volume.type != "file":  # of a device no time says whether it changed
            part.empty()
            start = 0
        _write(host, pool, name, part, path, start, file.size, progress)
        size = os.lseek(part.descriptor, 0, os.SEEK_END)
        checksum = _checksum_of(part, path, expected, progress)
        part.publish(path)
    return Downloaded(path, size, start, checksum)


def _forget_others(path: str, own: Part) -> None:
    """Remove what came of the volume as it was before: nothing goes on from there any more."""
    directory, name = os.path.split(own.path)
    stem = re.escape(name[: -len("01234567.part")])
    for other in os.listdir(directory or "."):
        if other == name or not re.fullmatch(rf"{stem}[0-9a-f]{{8}}\.part", other):
            continue
        with suppress(OSError, KimchiError):  # another download of that name is at it, or it is not ours
            status = os.lstat(os.path.join(directory, other))
            if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600:
                with part_file(path, other[len(name) - len("01234567.part") : -len(".part")]):
                    pass


def _write(
    host: "Host", pool: str, name: str, part: Part, path: str, start: int, size: int | None, progress: Progress
) -> None:
    if size is not None and start >= size > 0:
        return  # all of it came before; for libvirt, nothing to read would be an error
    done = start
    progress.begin(f"downloading {name}", size, "bytes")
    try:
        for piece in volumestream.download(host, pool, name, start, (size or start) - start):
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
    _require_whole(pool, name, done, size)


def _require_whole(pool: str, name: str, done: int, size: int | None) -> None:
    if size is not None and done != size:
        raise Failed(f"volume {name!r} of pool {pool!r} gave {done} bytes, not {size}", "was it changed meanwhile?")


def _checksum_of(part: Part, path: str, expected: Checksum | None, progress: Progress) -> Checksum | None:
    """Of the whole file, what came earlier included; a file with another one is of no use to any later attempt."""
    if expected is None:
        return None
    digest, size, done = hashlib.new(expected.algorithm), os.fstat(part.descriptor).st_size, 0
    progress.begin(f"verifying {os.path.basename(path)}", size, "bytes")
    while piece := os.pread(part.descriptor, READ, done):
        digest.update(piece)
        done += len(piece)
        progress.advance(done)
    progress.end()
    found = Checksum(expected.algorithm, digest.hexdigest())
    if found != expected:
        part.empty()
    require_same(path, found, expected)
    return found


def write_volume(host: "Host", pool: str, name: str, output: BinaryIO, progress: Progress = SILENT) -> int:
    """The bytes of the volume's file into a pipe; how many they were. Raises NotFound, WrongState, Failed.

    BrokenPipeError, where nobody reads any more, is the caller's.
    """
    size, done = volumes.find_both(host, pool, name)[1].size, 0
    progress.begin(f"downloading {name}", size, "bytes")
    try:
        for piece in plain(volumestream.download(host, pool, name, 0, size or 0)):
            _put(output, piece)
            done += len(piece)
            progress.advance(done)
        output.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Failed(f"standard output cannot be written: {why}") from error
    finally:
        progress.end()
    _require_whole(pool, name, done, size)
    return done


def _put(output: BinaryIO, piece: bytes) -> None:
    """All of it: who has replaced standard output may have put an unbuffered file there, which takes what it can."""
    view = memoryview(piece)
    while view:
        view = view[output.write(view) or 0 :]
