"""Samples of what one VM used, made up."""

from kimchictl.actions.host.samples import Sample, Usage


def usage(name="web", cpu=None, peak=None):
    values = (cpu, 1024, 0, 0, 0, 0)
    return Usage(name, values, None if peak is None else (peak, 1024, 0, 0, 0, 0))


def sample(at, cpu=1.0, seconds=5.0, **others):
    return Sample(at, seconds, {"u1": usage(cpu=cpu), **others})
