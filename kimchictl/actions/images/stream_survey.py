"""A storage pool looked at through libvirt: one of another host, or one whose volumes are not files."""

import time
from contextlib import closing
from typing import TYPE_CHECKING

from kimchictl.actions.images.scan_records import ScanOptions
from kimchictl.actions.images.surveys import Survey, place_name
from kimchictl.errors import Disconnected, KimchiError
from kimchictl.media.records import Image
from kimchictl.media.scan.document import Place
from kimchictl.media.scan.entries import Examination, Status
from kimchictl.progress import Progress
from kimchictl.virt.storage.volumesource import VolumeSource, volume_sources

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host
    from kimchictl.virt.storage.poolcontents import PoolContents


class StreamSurvey(Survey):
    """The volumes of one pool: asked for one by one, and only the first sectors of those that changed are read."""

    def __init__(
        self, host: "Host", pool: "PoolContents", old: Place | None, options: ScanOptions, naming: str
    ) -> None:
        super().__init__(place_name(host, pool.name), old, options, naming)
        self.host, self.pool = host, pool
        self.place.host = None if host.is_local else host.uri

    def run(self, progress: Progress) -> None:
        """Look at every volume. What a pool that stops answering had before stays known. Raises Disconnected."""
        trust = not self.options.full and self.place.naming == self.old.naming
        complete = not self.pool.stale
        looked = Examination(self.known, self._probe, self.counters, trust)
        try:
            with closing(volume_sources(self.host, self.pool.name, progress)) as sources:
                for source in sources:
                    self._source = source
                    looked.take(source.location, _status(source))
        except KeyboardInterrupt:
            self.interrupted = True
        except Disconnected:  # of what is on the host nothing is known: the index stays as it is
            raise
        except KimchiError as error:
            complete = False
            progress.note(f"pool {self.pool.name!r} was not read to its end: {error}")
        if self.interrupted or not complete:
            for path, entry in self.known.items():
                if entry.row is not None:
                    looked.entries.setdefault(path, entry)
        self.learn(looked, {})
        progress.end()

    def _probe(self, _path: str) -> Image:
        """The image that the volume at hand is; what it costs is counted. Raises Disconnected."""
        from kimchictl.media.probe import probe_source_record

        volume = self._source.volume
        image = probe_source_record(self._source)
        if not image.readable and not self.host.is_alive:
            raise Disconnected(f"pool {self.pool.name!r}: the connection to libvirt broke at volume {volume.name!r}")
        self.counters.reads += self._source.reads
        self.counters.bytes += self._source.bytes
        return image._replace(host=self.place.host, pool=volume.pool, volume=volume.name, capacity=volume.capacity)


def _status(source: VolumeSource) -> Status:
    """What tells one content of a volume from another; of what has no times, nothing does: it is read every time."""
    file = source.file
    if file.mtime is None or file.ctime is None:
        return 0, 0, source.size or 0, 0, time.time_ns()
    return 0, 0, source.size or 0, round(file.mtime * 1e9), round(file.ctime * 1e9)
