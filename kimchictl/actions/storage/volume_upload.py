"""Files of this machine and what comes through pipes, as volumes: exactly the bytes that they are.

    POOL/
      NAME             a new volume grows under its own name, as libvirt has no rename for one
      .NAME.HEX.part   what is to replace one. Only when it is whole, and what its checksum says, it takes the place of
                       the old one: in a directory of this machine by rename(2); elsewhere the old one is deleted and
                       the host copies the new one to its name, which stays under its own until that is done

A note (unfinished.py) tells the next verb of what a killed process left.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from secrets import token_hex
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl import files
from kimchictl.actions.storage.unfinished import Note, noted
from kimchictl.actions.storage.uses import uses_of
from kimchictl.actions.storage.volume_changes import copy_here
from kimchictl.actions.storage.volume_input import Input, plain
from kimchictl.actions.storage.volume_use import require_childless, require_content, require_still
from kimchictl.errors import Damaged, Failed, NotFound
from kimchictl.media.remote.checksums import Checksum
from kimchictl.progress import SILENT, Progress
from kimchictl.units import format_size
from kimchictl.virt.storage import pools, volumes, volumestream
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.volumes import BLOCK_POOLS, Volume
from kimchictl.virt.storage.volumexml import Permissions

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_LABELS = ("system.posix_acl_access", "security.selinux")  # acl(5), setxattr(2)
_NAME_LIMIT = 200  # bytes of a name that its part's name takes over


def find_target(host: "Host", pool: str, name: str) -> Volume | None:
    """The volume that an upload would replace, if it may be, with the VMs that use it; None if there is none.

    Raises InUse if a running VM or another volume needs it, Invalid for a directory, NotFound and WrongState for the
    pool.
    """
    volumes.check_name(name)
    pools.find_active_pool(host, pool)
    try:
        volume = volumes.find_volume(host, pool, name)
    except NotFound:
        return None
    require_content(volume)
    require_still(host, volume)
    require_childless(host, volume)
    return uses_of(host, [volume]).volumes[0]


def directory_here(host: "Host", pool: str) -> str | None:
    """The directory of `pool`, if it is one of this machine in which we may write."""
    kind, directory, _ = pools.outline(host, pool)
    here = kind in FILE_POOLS and directory and host.is_local and not host.is_test
    return directory if here and directory and os.access(directory, os.W_OK | os.X_OK) else None


def upload_file(
    host: "Host",
    given: Input,
    pool: str,
    name: str,
    replace: Volume | None = None,
    expected: Checksum | None = None,
    progress: Progress = SILENT,
    state_dir: str | None = None,
) -> Volume:
    """What is `given` as the volume `name`. On failure there is nothing new, and what was there is still there.

    `replace` is what `find_target` found. With `state_dir` there is a note of it meanwhile. Raises NotFound, Failed,
    Damaged for another checksum than `expected`, Exists, WrongState.
    """
    _require_space(host, pool, name, given, replace)
    title = name if replace is None else _part_name(name)
    pieces = given.pieces()
    if expected is not None:
        pieces = _verified(pieces, given.name, expected)
    with noted(host, state_dir, "upload", pool, title, given.size, grows=True) as note:
        progress.begin(f"uploading {name}", given.size, "bytes")
        made = _fill(host, pool, title, given.size, pieces, progress, note, _permissions(host, replace))
        return made if replace is None else _put_in_place(host, made, replace, progress, state_dir, note)


def _permissions(host: "Host", replace: Volume | None) -> Permissions | None:
    """What the new one has from the beginning: whoever may not give it away fails before the old one goes."""
    if replace is None or directory_here(host, replace.pool) is not None:
        return None
    return volumes.find_both(host, replace.pool, replace.name)[1].permissions


def _part_name(name: str) -> str:
    return f".{os.fsencode(name)[:_NAME_LIMIT].decode('utf-8', 'ignore')}.{token_hex(4)}.part"


def copy_bytes(
    host: "Host",
    volume: Volume,
    pool: str,
    new: str,
    progress: Progress = SILENT,
    state_dir: str | None = None,
    made: Callable[[Volume], None] | None = None,
    permissions: Permissions | None = None,
) -> Volume:
    """Copy a volume through this machine as the bytes that it is, whatever they look like.

    `made` is told of it while it is still noted.
    """
    size = volumes.find_both(host, volume.pool, volume.name)[1].size or volume.capacity or 0
    pieces = volumestream.download(host, volume.pool, volume.name, 0, size)
    with noted(host, state_dir, "copy", pool, new, size, grows=True) as note:
        progress.begin(f"copying {volume.name}", size, "bytes")
        copy = _fill(host, pool, new, size, pieces, progress, note, permissions)
        if made is not None:
            made(copy)
        return copy


def _fill(
    host: "Host",
    pool: str,
    name: str,
    size: int | None,
    pieces: Iterator[bytes | int],
    progress: Progress,
    note: Note,
    permissions: Permissions | None = None,
) -> Volume:
    """A new volume of `pieces`, whose progress has begun."""

    def reported() -> Iterator[bytes | int]:
        done = 0
        for piece in pieces:
            yield piece
            done += piece if isinstance(piece, int) else len(piece)
            progress.advance(done)

    try:
        return volumestream.upload(host, pool, name, size, reported(), note.made, permissions)
    finally:
        progress.end()


def _require_space(host: "Host", pool: str, name: str, given: Input, replace: Volume | None) -> None:
    """Raises Failed for what cannot find room. What replaces a volume stands beside it for a while."""
    kind, _, free = pools.outline(host, pool)
    needed = given.size if kind in BLOCK_POOLS or given.taken is None else given.taken
    if needed is not None and needed > free:
        hint = f"it stays until the new one is whole; or kimchictl volume delete {quote(pool)} {quote(name)} first"
        message = f"{name} needs {format_size(needed)}, and {format_size(free)} are free in pool {pool!r}"
        raise Failed(message + (" beside the old one" if replace else ""), hint if replace else None)


def _verified(pieces: Iterator[bytes | int], what: str, expected: Checksum) -> Iterator[bytes | int]:
    """`pieces`; after the last one, Damaged if they are not what is expected."""
    digest = hashlib.new(expected.algorithm)
    for piece in pieces:
        for some in plain([piece]):
            digest.update(some)
        yield piece
    require_same(what, Checksum(expected.algorithm, digest.hexdigest()), expected)


def require_same(what: str, found: Checksum, expected: Checksum) -> None:
    """Raises Damaged."""
    if found != expected:
        raise Damaged(f"{what} is not what its checksum says: {found}, not {expected}")


# ---- in the place of another -----------------------------------------------------------------------------------------


def _put_in_place(
    host: "Host", made: Volume, old: Volume, progress: Progress, state_dir: str | None, note: Note
) -> Volume:
    """`made` under the name of `old`, which goes."""
    directory = directory_here(host, made.pool)
    try:
        require_still(host, old)  # it was looked at before the upload, which may have taken hours
        require_childless(host, old)
        if directory is not None:
            _rename(f"{directory}/{made.name}", f"{directory}/{old.name}")
            pools.list_pools(host, (made.pool,))
            return volumes.find_volume(host, made.pool, old.name)
    except BaseException:
        volumes.delete_volume(host, made.pool, made.name)
        raise
    permissions = _permissions(host, old)
    note.whole(old.name)
    volumes.delete_volume(host, old.pool, old.name)
    try:
        done = _copied(host, made, old.name, progress, state_dir, permissions)
    except BaseException:
        words = f"kimchictl volume clone {quote(made.pool)} {quote(made.name)} {quote(old.name)}"
        host.note(f"volume {made.name!r} of pool {made.pool!r} has all that was uploaded: {words}")
        raise
    volumes.delete_volume(host, made.pool, made.name)
    return done


def _rename(new: str, old: str) -> None:
    """rename(2), with the content on the disk before the name: a crash leaves the one or the other. Raises Failed."""
    try:
        descriptor = os.open(new, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _keep_owner(descriptor, old)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(new, old)
    except OSError as error:
        raise files.failed("replace", old, error) from error
    files.sync_directory(os.path.dirname(old), old)


def _keep_owner(descriptor: int, old: str) -> None:
    """Whose `old` is, and who may read it, is so for what takes its place. Raises OSError."""
    with suppress(FileNotFoundError):  # somebody removed it meanwhile
        files.take_over(descriptor, os.stat(old))
    for name in _LABELS:
        with suppress(OSError):  # it has none
            os.setxattr(descriptor, name, os.getxattr(old, name))


def _copied(
    host: "Host",
    made: Volume,
    name: str,
    progress: Progress,
    state_dir: str | None,
    permissions: Permissions | None,
) -> Volume:
    """By the host itself, where it takes the bytes for what they are; else through this machine."""
    if made.type in ("file", "block") and made.format in ("raw", "iso"):
        return copy_here(host, made, made.pool, name, progress, state_dir, permissions=permissions)
    return copy_bytes(host, made, made.pool, name, progress, state_dir, permissions=permissions)
