"""Samples: what the host and each domain used over a while; thinned to means and peaks; as a line of the journal."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEASURES = ("cpu", "memory", "disk_read", "disk_write", "net_rx", "net_tx")
"""What is measured, in the order of every tuple of values here; percent, bytes, and bytes a second."""

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one subject used: `mean` over the sample's time, and the `peak` of a thinned one; None: not known."""

    name: str
    mean: Values
    peak: Values | None = None

    @property
    def highest(self) -> Values:
        return self.mean if self.peak is None else self.peak


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is its end, in seconds since the epoch, `seconds` how long it was; `usages` by subject ("host", UUIDs)."""

    at: float
    seconds: float
    usages: Mapping[str, Usage]


def thin(samples: Sequence[Sample]) -> Sample:
    """One sample for several that follow each other: means weighted by their time, and peaks."""
    keys = dict.fromkeys(key for sample in samples for key in sample.usages)
    usages = {}
    for key in keys:
        present = [(sample.seconds, sample.usages[key]) for sample in samples if key in sample.usages]
        means = tuple(_mean([(weight, usage.mean[i]) for weight, usage in present]) for i in range(len(MEASURES)))
        peaks = tuple(highest(usage.highest[i] for _, usage in present) for i in range(len(MEASURES)))
        usages[key] = Usage(present[-1][1].name, means, peaks)
    return Sample(samples[-1].at, round(sum(sample.seconds for sample in samples), 3), usages)


def highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _mean(weighted: list[tuple[float, float | None]]) -> float | None:
    known = [(weight or 1e-9, value) for weight, value in weighted if value is not None]
    if not known:
        return None
    mean = sum(weight * value for weight, value in known) / sum(weight for weight, _ in known)
    return round(mean) if all(isinstance(value, int) for _, value in known) else round(mean, 1)


def encode_sample(sample: Sample) -> bytes:
    """A sample as its line: {"t": end, "d": seconds, "v": {subject: [name, means, peaks if thinned]}}."""
    values = {
        key: [usage.name, usage.mean] if usage.peak is None else [usage.name, usage.mean, usage.peak]
        for key, usage in sample.usages.items()
    }
    content = {"t": round(sample.at, 3), "d": sample.seconds, "v": values}
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_samples(path: str) -> Iterator[Sample]:
    """The samples in a file, as far as they are whole; a file that went away has none."""
    try:
        with open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n") and (sample := decode_sample(line)):
                    yield sample
    except OSError:
        return


def decode_sample(line: bytes) -> Sample | None:
    """The sample that a line holds; None for a torn one, or one that is no sample."""
    try:
        content = json.loads(line, parse_constant=_no_number)
        values = content["v"].items()
        return Sample(_number(content["t"]), _number(content["d"]), {key: _usage(*value) for key, value in values})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _usage(name: Any, mean: Any, peak: Any = None) -> Usage:
    if type(name) is not str:
        raise ValueError(name)
    return Usage(name, _values(mean), None if peak is None else _values(peak))


def _values(values: Any) -> Values:
    if len(values) != len(MEASURES):
        raise ValueError(values)
    for value in values:
        if value is not None and (type(value) not in (int, float) or not 0 <= value < 1e18):
            raise ValueError(value)
    return tuple(values)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e12:
        raise ValueError(value)
    return float(value)


def _no_number(text: str) -> float:
    raise ValueError(text)
