"""From counters to rates: what was used between two rounds.

A counter that went back (the guest was started again, or came from another host) gives no rate, never a wrong one.
"""

from collections.abc import Mapping

from kimchictl.actions.host.samples import Sample, Usage
from kimchictl.virt.stats import Counters, Pair, Round

SHORTEST = 0.05  # seconds: of less, the clocks' own grain makes rates that never were
LONGEST = 7200.0  # seconds: an average over more says nothing about now


def sample(before: Round | None, now: Round) -> Sample:
    """What each subject of `now` used since `before`; without comparable rounds only what needs no rate is known."""
    seconds = elapsed(before, now)
    known = before.subjects if before is not None and seconds else {}
    usages = {key: _usage(known.get(key), counters, seconds) for key, counters in now.subjects.items()}
    return Sample(now.at, round(seconds, 3), usages)


def elapsed(before: Round | None, now: Round) -> float:
    """The seconds between two rounds that can be compared, else 0."""
    if before is None or before.boot != now.boot:
        return 0.0
    seconds = now.clock - before.clock
    return seconds if SHORTEST <= seconds <= LONGEST else 0.0


def _usage(before: Counters | None, now: Counters, seconds: float) -> Usage:
    if before is None or before.run != now.run or not seconds:  # it was started, or came from another host, since
        return Usage(now.name, (None, now.memory, None, None, None, None))
    read, written = _device_rates(before.disks, now.disks, seconds)
    received, sent = _device_rates(before.nics, now.nics, seconds)
    return Usage(now.name, (_percent(before, now, seconds), now.memory, read, written, received, sent))


def _percent(before: Counters, now: Counters, seconds: float) -> float | None:
    """Of all the processors that the subject has, 0 to 100. A guest's devices may take a little more than its own."""
    if before.cpu is None or now.cpu is None or not now.cpus or now.cpu < before.cpu:
        return None
    return round(min(100.0, (now.cpu - before.cpu) / 1e9 / seconds / now.cpus * 100), 1)


def _device_rates(
    before: Mapping[str, Pair] | None, now: Mapping[str, Pair] | None, seconds: float
) -> tuple[int | None, int | None]:
    """Bytes a second over all devices seen both times: one that came or went meanwhile is no traffic."""
    if before is None or now is None:
        return None, None
    totals = [0, 0]
    for name in before.keys() & now.keys():
        for way in (0, 1):
            step = now[name][way] - before[name][way]
            if step < 0:
                return None, None
            totals[way] += step
    return round(totals[0] / seconds), round(totals[1] / seconds)
