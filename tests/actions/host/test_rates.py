import pytest

from kimchictl.actions.host import rates
from kimchictl.virt.stats import Counters, Round


def counters(run="1", cpu=0, disk=(0, 0), nic=(0, 0)):
    return Counters("web", run, cpu, 2, 1024, {"vda": disk}, {"vnet0": nic})


def between(before, now, seconds=2.0, boot="b"):
    first = Round(100.0, 50.0, "b", {"u1": before})
    return rates.sample(first, Round(102.0, 50.0 + seconds, boot, {"u1": now})).usages["u1"].mean


def test_rates_are_of_the_time_between_two_rounds():
    now = counters(cpu=2_000_000_000, disk=(4096, 200), nic=(10, 0))
    assert between(counters(), now) == (50.0, 1024, 2048, 100, 5, 0)


def test_a_counter_that_went_back_gives_no_rate():
    now = counters(cpu=1, disk=(1, 10), nic=(10, 1))
    assert between(counters(cpu=9, disk=(9, 0), nic=(0, 9)), now) == (None, 1024, None, None, None, None)


def test_a_guest_started_again_gives_no_rate_though_its_counters_are_higher():
    assert between(counters("1"), counters("2", cpu=10**9, disk=(9, 9))) == (None, 1024, None, None, None, None)


@pytest.mark.parametrize(("seconds", "boot"), [(0.0, "b"), (-5.0, "b"), (1e6, "b"), (2.0, "another")])
def test_rounds_that_cannot_be_compared_give_no_rate(seconds, boot):
    assert between(counters(), counters(cpu=10**9), seconds, boot)[0] is None


def test_a_disk_that_came_or_went_is_no_traffic():
    before, now = counters(), Counters("web", "1", 0, 2, 0, {"vdb": (10**9, 10**9)}, {})
    assert between(before, now)[2:] == (0, 0, 0, 0)


def test_more_than_all_processors_is_all_of_them():
    assert between(counters(), counters(cpu=10**12))[0] == 100.0
