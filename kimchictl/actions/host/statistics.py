"""What the domains and the host use now, at most, and over time: from the journal, or measured where nobody collects.

    look          the samples of a while and the one of now
    Look          .all() and .one(name) make Statistics of it
    Watch         the same again and again, for a live screen

Reading takes no lock and disturbs no collector.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kimchictl.actions.host import rates
from kimchictl.actions.host.collect import is_current, journal_directory
from kimchictl.actions.host.journal import Journal
from kimchictl.actions.host.rounds import Connect, Rounds, unheard
from kimchictl.actions.host.samples import MEASURES, Sample, Usage, highest
from kimchictl.errors import HostError, NotFound, did_you_mean
from kimchictl.units import format_time
from kimchictl.virt.domain.domains import names as domain_names
from kimchictl.virt.stats import HOST, Round, exists

UNITS = ("%", "bytes", "bytes/s", "bytes/s", "bytes/s", "bytes/s")
PAUSE = 1.0  # seconds between two rounds where nobody collects
WINDOW = 3600.0  # seconds back that a peak is looked for when nobody says


@dataclass(frozen=True, slots=True)
class Rate:
    """`current` and the highest of the time looked at, `peak`, in `unit`; None: not known."""

    current: float | None
    peak: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One sample of the past, `at` its end and `seconds` long: the means. Units as those of Statistics."""

    at: str | None
    seconds: float
    cpu: float | None
    memory: float | None
    disk_read: float | None
    disk_write: float | None
    net_rx: float | None
    net_tx: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one domain, or of the host (`name` "host", `uuid` None). `at`: when it was last seen running.

    `cpu` is the percentage of all its processors; a domain's `memory` is what it takes of the host's.
    """

    name: str
    uuid: str | None
    at: str | None
    cpu: Rate
    memory: Rate
    disk_read: Rate
    disk_write: Rate
    net_rx: Rate
    net_tx: Rate


@dataclass(frozen=True, slots=True)
class History(Statistics):
    """With what was before, oldest first."""

    history: tuple[Moment, ...]


class Look:
    """What was seen: `samples` of the past, oldest first, and `now`, None where the host could not be asked.

    `remark` is a sentence for a person, about where `now` comes from if not from a collector.
    """

    def __init__(self, samples: Sequence[Sample], now: Sample | None, remark: str = "") -> None:
        self.samples, self.now, self.remark = samples, now, remark
        self._seen = [*samples, now] if now and (not samples or samples[-1] is not now) else list(samples)

    def all(self, history: bool = False) -> list[Statistics]:
        """The host and what runs; with `history` what ran as well."""
        if history or self.now is None:
            keys = dict.fromkeys(key for sample in self._seen for key in sample.usages)
        else:
            keys = dict.fromkeys(self.now.usages)
        made = [self._statistics(key, history) for key in keys]
        return sorted(made, key=lambda one: (one.uuid is not None, one.name, one.uuid))

    def one(self, name: str, history: bool = False) -> Statistics | None:
        """Those of "host", of the domain of this name (of several the one seen last) or UUID; None if never seen."""
        key = self._find(name)
        return None if key is None else self._statistics(key, history)

    def values(self, one: Statistics) -> list[tuple[float | None, ...]]:
        """All that is known of the past of `one`, oldest first: the means, in the order of MEASURES."""
        return [usage.mean for _, usage in self._of(one.uuid or HOST)]

    def _find(self, name: str) -> str | None:
        for sample in reversed(self._seen):
            if name in sample.usages:
                return name
            for key, usage in sample.usages.items():
                if usage.name == name:
                    return key
        return None

    def _of(self, key: str) -> Iterator[tuple[Sample, Usage]]:
        return ((sample, sample.usages[key]) for sample in self._seen if key in sample.usages)

    def _statistics(self, key: str, history: bool) -> Statistics:
        seen = list(self._of(key))
        last, usage = seen[-1]
        current = usage.mean if last is self.now else (None,) * len(MEASURES)
        peaks = [highest(column) for column in zip(*(usage.highest for _, usage in seen), strict=True)]
        measured = [Rate(*values) for values in zip(current, peaks, UNITS, strict=True)]
        uuid = None if key == HOST else key
        one = Statistics(usage.name, uuid, format_time(last.at), *measured)
        past = (Moment(format_time(sample.at), sample.seconds, *usage.mean) for sample, usage in seen)
        return _with_history(one, tuple(past)) if history else one


def look(journal: Journal, connect: Connect, since: float, pause: float = PAUSE) -> Look:
    """The last `since` seconds and now: where no collector is at work, two rounds `pause` seconds apart.

    Raises HostError when the host cannot be asked and the journal knows nothing either.
    """
    samples = journal.read(time.time() - since)
    newest = samples[-1] if samples else journal.newest()
    if is_current(newest):
        return Look(samples, newest)
    try:
        with Rounds(connect) as rounds:
            before = rounds.take()
            time.sleep(pause)
            last = rounds.take()
    except HostError as error:
        if not samples:
            raise
        return Look(samples, None, f"{error}: this is what was collected before")
    remark = f"nobody collects statistics (kimchictl stats collect): measured over {pause:g} s"
    return Look(samples, rates.sample(before, last), "; ".join(filter(None, (remark, unheard(last)))))


def never_seen(name: str, connect: Connect, history: bool = False) -> Statistics:
    """Those of the domain `name`, of which there is no sample: it is off. Raises NotFound, HostError."""
    with connect() as host:
        if not exists(host, name):
            hint = did_you_mean(name, domain_names(host), "kimchictl stats show lists what there is")
            raise NotFound(f"no vm {name!r}, and none in the statistics", hint)
    nothing = [Rate(None, None, unit) for unit in UNITS]
    one = Statistics(name, None, None, *nothing)
    return _with_history(one, ()) if history else one


def _with_history(one: Statistics, past: tuple[Moment, ...]) -> History:
    return History(**{key: getattr(one, key) for key in Statistics.__dataclass_fields__}, history=past)


def find_journal(state_dirs: Sequence[str], uri: str) -> Journal:
    """The journal of the host `uri` in `state_dirs`, lowest layer first: the one that was written last."""
    journals = [Journal(journal_directory(state_dir, uri)) for state_dir in reversed(state_dirs)]
    newest = [journal.newest() for journal in journals]
    return max(zip(newest, journals, strict=True), key=lambda pair: pair[0].at if pair[0] else 0.0)[1]


class Watch:
    """For a live screen, a context: reads the journal while a collector is at work, else rounds are taken."""

    def __init__(self, journal: Journal, connect: Connect) -> None:
        self.journal = journal
        self.collected = True
        self._samples = journal.read(time.time() - WINDOW)
        self._newest = self._samples[-1] if self._samples else None
        self._rounds = Rounds(connect)
        self._before: Round | None = None

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._rounds.close()

    def frame(self) -> Look:
        """How it is now. Raises KimchiError where nobody collects and the host cannot be asked."""
        if fresh := self.journal.read(self._newest.at if self._newest else time.time() - WINDOW):
            self._newest = fresh[-1]
            self._samples += fresh
        self.collected = is_current(self._newest)
        if not self.collected:
            self._take_round()
        oldest = time.time() - WINDOW
        self._samples = [sample for sample in self._samples if sample.at > oldest]
        remark = unheard(self._before) if self._before and not self.collected else ""
        return Look(self._samples, self._samples[-1] if self._samples else None, remark)

    def _take_round(self) -> None:
        if self._before is None:
            self._before = self._rounds.take()
            time.sleep(PAUSE)
        before, self._before = self._before, self._rounds.take()
        if rates.elapsed(before, self._before):
            self._samples.append(rates.sample(before, self._before))
