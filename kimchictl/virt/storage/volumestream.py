"""Bytes into a volume and out of it through libvirt's stream: for hosts and pools whose files cannot be reached here.

upload     a new volume of exactly these bytes, or none at all
download   the bytes of a volume, from any offset on, with its holes told apart
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kimchictl.errors import Failed, Invalid, KimchiError
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.storage.poolrefresh import FILE_POOLS
from kimchictl.virt.storage.pools import list_pools, outline
from kimchictl.virt.storage.volumes import Volume, create_volume, find_handle, read_both
from kimchictl.virt.storage.volumexml import Permissions

_PIECE = 256 << 10  # bytes; libvirt's messages hold little more
_ZEROS = bytes(_PIECE)
_AT_HOLE = -3  # what virStreamRecvFlags answers at the beginning of a hole


def upload(
    host: Host,
    pool_name: str,
    name: str,
    size: int | None,
    pieces: Iterable[bytes | int],
    made: Callable[[], None] = lambda: None,
    permissions: Permissions | None = None,
) -> Volume:
    """Make the volume, `size` bytes, raw, and fill it with `pieces`; deleted again when anything goes wrong.

    A piece that is a number is that many zeros. Zeros are not sent, and need no room in it. It grows where it is a
    file; what is none needs its `size`. It can be seen by others meanwhile, as libvirt has no rename for a volume;
    `made()` is called when it is there and before it holds anything.

    Raises Exists, NotFound, WrongState, Invalid, Failed, and what `pieces` raises.
    """
    grows = outline(host, pool_name)[0] in FILE_POOLS
    if size is None and not grows:
        raise Invalid(f"a volume of pool {pool_name!r} does not grow, so its size must be known", "give it as --size")
    create_volume(host, pool_name, name, 0 if grows else size or 0, "raw", permissions=permissions)
    try:
        made()
        done = _fill(host, find_handle(host, pool_name, name), name, size, pieces)
        list_pools(host, (pool_name,))  # where another volume is just being copied it cannot be refreshed: no harm
        with asking(f"volume {name!r} of pool {pool_name!r}"):
            volume, file = read_both(find_handle(host, pool_name, name), pool_name)
        if grows and (file.size or 0) != done:
            # libvirt may lose the error of a write to a full disk: seen in one upload of thirty.
            raise Failed(f"volume {name!r} holds {file.size or 0} of {done} bytes", "is its storage full?")
        return volume
    except BaseException:
        with suppress(host.lib.libvirtError, KimchiError):
            find_handle(host, pool_name, name).delete(0)
        raise


def _fill(host: Host, handle: Any, name: str, size: int | None, pieces: Iterable[bytes | int]) -> int:
    """How many bytes were sent."""
    what, done = f"volume {name!r} cannot be written", 0
    with _stream(host) as stream:
        with asking(what):
            handle.upload(stream, 0, size or 0, host.lib.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        for piece in pieces:
            done += piece if isinstance(piece, int) else len(piece)
            if size is not None and done > size:
                raise Failed(f"volume {name!r} was to get {size} bytes, and there are more")
            with asking(what):
                if isinstance(piece, int):
                    stream.sendHole(piece)
                else:
                    _send(stream, memoryview(piece))
        if size is not None and done != size:
            raise Failed(f"volume {name!r} got {done} bytes, not {size}")
        with asking(what):
            stream.finish()
    return done


def _send(stream: Any, view: memoryview) -> None:
    while view:
        part = view[:_PIECE]
        if part == _ZEROS[: len(part)]:
            stream.sendHole(len(part))
            view = view[len(part) :]
        else:
            view = view[stream.send(bytes(part)) :]


def download(
    host: Host, pool_name: str, name: str, offset: int = 0, length: int = 0
) -> Generator[bytes | int, None, None]:
    """`length` bytes of the volume's file from `offset` on, 0 for all that is left; a number is so many zeros.

    Raises NotFound, WrongState, Failed, HostError.
    """
    handle = find_handle(host, pool_name, name)
    what, done = f"volume {name!r} of pool {pool_name!r} cannot be read", 0
    with _stream(host) as stream:
        with asking(what):
            handle.download(stream, offset, length, host.lib.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
        while True:
            with asking(what):
                piece = stream.recvFlags(_PIECE, host.lib.VIR_STREAM_RECV_STOP_AT_HOLE)
                if piece == _AT_HOLE:
                    piece = stream.recvHole()
                elif not piece:
                    stream.finish()
                    return
            done += piece if isinstance(piece, int) else len(piece)
            if length and done > length:
                raise Failed(f"{what}: its host sends more than the {length} bytes that were asked for")
            yield piece


@contextmanager
def _stream(host: Host) -> Iterator[Any]:
    """A stream that is aborted when the block fails."""
    stream = host.conn.newStream(0)
    try:
        yield stream
    except BaseException:
        with suppress(host.lib.libvirtError):
            stream.abort()
        raise
