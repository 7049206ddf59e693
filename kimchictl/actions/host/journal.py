"""The journal of samples: bounded in size, fine for the last hour, thinned for the last month.

    STATE_DIR/stats/HOST/            HOST is made of the connection's URI
      fine-0001795353982315.jsonl    samples as they were taken, for an hour
      minute-*.jsonl                 means and peaks of a minute, for a day
      quarter-*.jsonl                means and peaks of a quarter of an hour, for 30 days
      counters.json                  the last round's counters, so that the next `--once` can tell the rates

A line is one sample, a file is named after the time (in ms) of its first one. One writer, under the collector's lock,
appends whole lines; readers take no lock. What a crash tore - the last line, or zeros in its place - is skipped. Every
kind has eight files at most before its oldest goes, by age or by bytes, whichever comes first.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kimchictl import files
from kimchictl.actions.host.samples import Sample, encode_sample, read_samples, thin


@dataclass(frozen=True, slots=True)
class Tier:
    """One kind of file: its samples cover `period` s (0: as taken) and are kept for `kept` s and `room` bytes."""

    name: str
    period: float
    kept: float
    room: int = 16 << 20
    parts: int = 8


SKEW = 60.0  # seconds that the clock may be set back without a new file

TIERS = (Tier("fine", 0, 3600), Tier("minute", 60, 86400), Tier("quarter", 900, 30 * 86400))

_NAME = re.compile(r"([a-z]+)-(\d{16})\.jsonl")


class Journal:
    """The journal in `directory`, to be read; see Writer for the one that writes."""

    def __init__(self, directory: str, tiers: Sequence[Tier] = TIERS) -> None:
        self.directory, self.tiers = directory, tuple(tiers)

    def read(self, since: float, until: float = float("inf")) -> list[Sample]:
        """The samples with `since` < at <= `until`, oldest first: the finest there are of every time."""
        found: list[Sample] = []
        start = until
        for tier in self.tiers:
            part = [sample for sample in self._settled(tier, since) if since < sample.at <= start]
            if part:
                found += part
                start = min(sample.at - sample.seconds for sample in part)
        return sorted(found, key=lambda sample: sample.at)

    def _settled(self, tier: Tier, since: float) -> list[Sample]:
        """The samples of a tier; read again where the writer removed even the newest file that was listed."""
        found: list[Sample] = []
        for _ in range(10):
            newest = self.parts(tier)[-1:]
            found = list(self.samples(tier, since))
            if not newest or os.path.exists(newest[0][1]):
                break
        return found

    def newest(self, tier: Tier | None = None) -> Sample | None:
        """The sample that was taken last (of one tier), None in an empty journal."""
        for _, path in reversed(self.parts(tier or self.tiers[0])):
            last = None
            for sample in read_samples(path):
                last = sample
            if last is not None:
                return last
        return None

    def samples(self, tier: Tier, since: float = 0.0) -> Iterator[Sample]:
        """The samples of one tier; those before `since` are left out where that saves opening a file."""
        parts = self.parts(tier)
        for number, (_, path) in enumerate(parts):
            if number + 1 < len(parts) and parts[number + 1][0] <= since:
                continue
            yield from read_samples(path)

    def parts(self, tier: Tier) -> list[tuple[float, str]]:
        """(time of its first sample, path) of the tier's files, oldest first."""
        try:
            names = os.listdir(self.directory)
        except OSError:
            return []
        matches = [match for name in names if (match := _NAME.fullmatch(name)) and match[1] == tier.name]
        return sorted((int(match[2]) / 1000, os.path.join(self.directory, match[0])) for match in matches)


class Writer(Journal):
    """The one that writes; whoever makes it holds the collector's lock. Use as a context. Raises Failed."""

    def __init__(self, directory: str, tiers: Sequence[Tier] = TIERS) -> None:
        super().__init__(directory, tiers)
        self._open: dict[str, _Part] = {}
        self._waiting: list[list[Sample]] = [[] for _ in self.tiers]
        for level in range(len(self.tiers) - 1, 0, -1):  # what the last writer had not thinned yet, coarsest tier first
            newest = self.newest(self.tiers[level])
            last = newest.at if newest else 0.0
            for sample in self.samples(self.tiers[level - 1], last):
                if sample.at > last:
                    self._thin_into(level, sample)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def append(self, sample: Sample) -> None:
        """Adds a sample, and what has become complete of the thinned tiers. Raises Failed."""
        self._write(self.tiers[0], sample)
        self._thin_into(1, sample)

    def _thin_into(self, level: int, sample: Sample) -> None:
        """Lets `sample` wait until its period in the tier `level` is over; then one for the period is written."""
        if level >= len(self.tiers):
            return
        tier, waiting = self.tiers[level], self._waiting[level]
        if waiting and _bucket(waiting[0], tier) != _bucket(sample, tier):
            thinned = thin(waiting)
            waiting.clear()
            self._write(tier, thinned)
            self._open[tier.name].sync()
            self._thin_into(level + 1, thinned)
        waiting.append(sample)

    def close(self) -> None:
        for part in self._open.values():
            part.close()
        self._open.clear()

    def _write(self, tier: Tier, sample: Sample) -> None:
        line = encode_sample(sample)
        part = self._open.pop(tier.name, None) or self._continue(tier)
        if part is not None and not part.takes(tier, sample.at, len(line)):
            part.close()
            part = None
        self._make_room(tier, sample.at, len(line), keep=part.path if part else None)
        if part is None:
            part = _Part(os.path.join(self.directory, f"{tier.name}-{int(sample.at * 1000):016}.jsonl"), sample.at)
        self._open[tier.name] = part
        part.append(line)

    def _continue(self, tier: Tier) -> "_Part | None":
        """The newest file, to be written on."""
        parts = self.parts(tier)
        return _Part(parts[-1][1], parts[-1][0]) if parts else None

    def _make_room(self, tier: Tier, now: float, size: int, keep: str | None) -> None:
        """Removes the oldest files until the rest, with `size` bytes more, is within the tier's time and room."""
        parts = self.parts(tier)
        total = size + sum(_size(path) for _, path in parts)
        for number, (start, path) in enumerate(parts):
            end = parts[number + 1][0] if number + 1 < len(parts) else start + tier.kept / tier.parts
            ahead = start > now + SKEW  # the clock was wrong when it was written, and has been set back
            if path == keep or (end >= now - tier.kept and total <= tier.room and not ahead):
                continue
            total -= _size(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


class _Part:
    """A file being appended to. A line that was torn is ended first, so that it spoils no other."""

    def __init__(self, path: str, start: float) -> None:
        self.path, self.start = path, start
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            self.size = os.fstat(self._fd).st_size
            self._torn = self.size > 0 and os.pread(self._fd, 1, self.size - 1) != b"\n"
        except OSError as error:
            raise files.failed("write", path, error) from error

    def takes(self, tier: Tier, at: float, size: int) -> bool:
        """Whether a line of `size` bytes about `at` belongs in here."""
        return self.size + size <= tier.room // tier.parts and -SKEW <= at - self.start < tier.kept / tier.parts

    def append(self, line: bytes) -> None:
        data = b"\n" * self._torn + line
        self._torn = True
        try:
            while data:
                written = os.write(self._fd, data)
                self.size += written
                data = data[written:]
        except OSError as error:
            raise files.failed("write", self.path, error) from error
        self._torn = False

    def sync(self) -> None:
        with contextlib.suppress(OSError):  # some file systems have no fsync
            os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def _bucket(sample: Sample, tier: Tier) -> int:
    return int(sample.at // tier.period)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
