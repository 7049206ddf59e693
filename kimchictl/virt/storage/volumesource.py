"""A storage volume as an image to read: piece by piece through libvirt's own stream, so wherever its host is.

VolumeSource      `read(offset, size)` is one download of just these bytes
open_volume       the volume of that name, open
volume_sources    all volumes of a pool that can be images, open; nothing is read of them yet
"""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

from kimchictl.errors import Disconnected
from kimchictl.media.source import Source, Unreadable
from kimchictl.progress import SILENT, Progress
from kimchictl.virt.connection import Host, asking, is_code, translate
from kimchictl.virt.deadlines import within
from kimchictl.virt.storage.pools import find_active_pool
from kimchictl.virt.storage.volumes import Volume, VolumeFile, find_handle, read_both

TIMEOUT = 10.0  # seconds that one question, or one piece, may take
PLAIN_FORMATS = (None, "iso", "raw", "unknown")  # in which a volume's bytes are the medium's
_CHUNK = 256 << 10


class VolumeSource(Source):
    """`location` is the volume's path on its host, `size` its length, `volume` and `file` what libvirt says.

    `reads` and `bytes` count what was asked for so far.
    """

    __slots__ = ("_handle", "_host", "_timeout", "bytes", "file", "reads", "volume")

    def __init__(self, host: Host, handle: Any, volume: Volume, file: VolumeFile, timeout: float = TIMEOUT) -> None:
        size = volume.capacity if file.size is None else file.size
        super().__init__(volume.path or volume.name, "pool", size, file.mtime)
        self.volume, self.file = volume, file
        self.reads = self.bytes = 0
        self._host, self._handle, self._timeout = host, handle, timeout

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end. Raises Unreadable, TimedOut."""
        if self.size is not None:
            size = min(size, self.size - offset)
        if size <= 0:
            return b""  # for libvirt, a length of 0 is all that is left
        self.reads += 1
        self.bytes += size
        what = f"image {self.location!r} cannot be read"
        try:
            return within(self._timeout, f"volume {self.volume.name!r}", lambda: self._download(offset, size))
        except self._host.lib.libvirtError as error:
            if is_code(error, "OPERATION_DENIED"):
                raise Unreadable(what, "a read-only connection reads no volumes") from None
            raise Unreadable(what, error.get_error_message() or "no reason given") from None

    def _download(self, offset: int, size: int) -> bytes:
        """One stream, used up: there is no seeking in it. A file that shrank meanwhile only reads short."""
        stream = self._host.conn.newStream(0)
        data = bytearray()
        try:
            self._handle.download(stream, offset, size, 0)
            while piece := stream.recv(_CHUNK):
                data += piece
                if len(data) > size:
                    raise Unreadable(f"image {self.location!r} cannot be read", "its host sends more than that")
            stream.finish()
        except BaseException:
            with suppress(self._host.lib.libvirtError):
                stream.abort()
            raise
        return bytes(data)


def open_volume(host: Host, pool: str, name: str) -> VolumeSource:
    """The volume of that name. Raises NotFound, WrongState, TimedOut."""
    handle = find_handle(host, pool, name)
    with asking(f"volume {name!r} of pool {pool!r}"):
        said = within(TIMEOUT, f"volume {name!r} of pool {pool!r}", lambda: read_both(handle, pool))
    return VolumeSource(host, handle, *said)


def volume_sources(host: Host, pool: str, progress: Progress = SILENT) -> Generator[VolumeSource, None, None]:
    """The volumes of an active pool that can be images, by name; notes those left out. One call a volume.

    Raises NotFound, WrongState; TimedOut if its storage does not answer, Disconnected.
    """
    found = find_active_pool(host, pool)
    with asking(f"pool {pool!r}: volume list"):
        handles = within(TIMEOUT, f"pool {pool!r}", lambda: found.listAllVolumes(0))
    named = []
    for handle in handles:
        try:
            named.append((handle.name(), handle))
        except UnicodeDecodeError:  # libvirt's Python library cannot speak of it
            progress.note(f"a volume of pool {pool!r} was left out, as its name is not UTF-8")
    progress.begin(f"scanning pool {pool}", len(named), "volumes")
    for number, (name, handle) in enumerate(sorted(named, key=lambda pair: pair[0])):
        progress.advance(number, name)
        said = _look(host, handle, name, pool, progress)
        if said is not None and _is_plain(said[0]):
            yield VolumeSource(host, handle, *said)


def _is_plain(volume: Volume) -> bool:
    """Whether its bytes are the medium's. What libvirt calls the format of a partition is its type in the table."""
    return volume.format in PLAIN_FORMATS or volume.type == "block"


def _look(host: Host, handle: Any, name: str, pool: str, progress: Progress) -> tuple[Volume, VolumeFile] | None:
    """None for one that is gone since it was listed, or that cannot be looked at."""
    try:
        return within(TIMEOUT, f"volume {name!r} of pool {pool!r}", lambda: read_both(handle, pool))
    except host.lib.libvirtError as error:
        ours = translate(error, f"volume {name!r} of pool {pool!r} was left out")
        if isinstance(ours, Disconnected):  # so would be all the others
            raise ours from None
        if not is_code(error, "NO_STORAGE_VOL"):
            progress.note(str(ours))
        return None
