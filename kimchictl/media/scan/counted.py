"""The prober as a scan uses it: what it reads is counted. Loaded only when a scan finds something new."""

from functools import partial

from kimchictl.media.probe import probe_record
from kimchictl.media.records import Image
from kimchictl.media.scan.walk import Counters
from kimchictl.media.source import FileSource


class _CountedFile(FileSource):
    """A file whose reads are added to `counters`."""

    __slots__ = ("_counters",)

    def __init__(self, counters: Counters, path: str) -> None:
        self._counters = counters
        super().__init__(path)

    def read(self, offset: int, size: int) -> bytes:
        data = super().read(offset, size)
        self._counters.reads += 1
        self._counters.bytes += len(data)
        return data


def probe_counted(path: str, counters: Counters) -> Image:
    """`probe_record`, with its reads added to `counters`."""
    return probe_record(path, partial(_CountedFile, counters))
