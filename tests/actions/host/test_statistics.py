import os
import threading
import time

import pytest

from kimchictl.actions.host import rates
from kimchictl.actions.host.collect import COUNTERS, collect, encode_round, is_current, journal_directory, load_round
from kimchictl.actions.host.journal import Journal, Tier, Writer
from kimchictl.actions.host.samples import Sample, Usage, decode_sample, encode_sample, thin
from kimchictl.actions.host.statistics import Look, find_journal, look
from kimchictl.errors import Failed, HostError
from kimchictl.virt.connection import open_host
from kimchictl.virt.stats import HOST, Counters, Round

TEST = "test:///default"
TIERS = (Tier("fine", 0, 100, 8000), Tier("minute", 10, 1000, 8000), Tier("quarter", 100, 10000, 8000))


def usage(name="web", cpu=None, peak=None):
    values = (cpu, 1024, 0, 0, 0, 0)
    return Usage(name, values, None if peak is None else (peak, 1024, 0, 0, 0, 0))


def sample(at, cpu=1.0, seconds=5.0, **others):
    return Sample(at, seconds, {"u1": usage(cpu=cpu), **others})


def counters(run="1", cpu=0, disk=(0, 0), nic=(0, 0)):
    return Counters("web", run, cpu, 2, 1024, {"vda": disk}, {"vnet0": nic})


def between(before, now, seconds=2.0, boot="b"):
    first = Round(100.0, 50.0, "b", {"u1": before})
    return rates.sample(first, Round(102.0, 50.0 + seconds, boot, {"u1": now})).usages["u1"].mean


# ---- rates


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


# ---- the journal


def test_what_is_written_is_read(tmp_path):
    with Writer(str(tmp_path)) as writer:
        for at in (100.0, 105.0, 110.0):
            writer.append(sample(at))
    assert [one.at for one in Journal(str(tmp_path)).read(100.0)] == [105.0, 110.0]
    assert Journal(str(tmp_path)).newest() == sample(110.0)


def test_older_samples_are_thinned_to_means_and_peaks(tmp_path):
    with Writer(str(tmp_path), TIERS) as writer:
        for at in range(1000, 2000, 5):
            writer.append(sample(float(at), cpu=float(at % 10)))
    fine, minutes = (list(writer.samples(tier)) for tier in TIERS[:2])
    assert fine[0].at > 1850
    assert (minutes[-1].usages["u1"].mean[0], minutes[-1].usages["u1"].peak[0]) == (2.5, 5.0)
    seen = [one.at for one in writer.read(0.0)]
    assert seen == sorted(set(seen))
    assert seen[0] < 1110


def test_the_size_is_bounded_however_much_is_written(tmp_path):
    with Writer(str(tmp_path), TIERS) as writer:
        for at in range(1000):
            writer.append(sample(1000 + at / 100, **{f"u{number}": usage() for number in range(9)}))
    size = sum(os.path.getsize(path) for _, path in writer.parts(TIERS[0]))
    assert TIERS[0].room / 2 < size <= TIERS[0].room
    assert len(list(tmp_path.iterdir())) <= 3 * 9
    assert writer.newest().at == 1009.99


def test_a_writer_goes_on_where_the_last_one_was_killed(tmp_path):
    for at in range(1000, 1200, 5):  # each a process of its own, as cron has them, which closes nothing
        Writer(str(tmp_path), TIERS).append(sample(float(at)))
    one_writer = tmp_path / "one"
    one_writer.mkdir()
    with Writer(str(one_writer), TIERS) as writer:
        for at in range(1000, 1200, 5):
            writer.append(sample(float(at)))
    assert Journal(str(tmp_path), TIERS).read(0.0) == writer.read(0.0)


@pytest.mark.parametrize("torn", [b'{"t":105', b"\0" * 50, b"[1]\n", b'{"t":1e999,"d":5,"v":{}}\n', b"[" * 9999])
def test_what_a_crash_tore_is_skipped(tmp_path, torn):
    with Writer(str(tmp_path)) as writer:
        writer.append(sample(100.0))
    (part,) = tmp_path.iterdir()
    part.write_bytes(part.read_bytes() + torn)
    assert [one.at for one in Journal(str(tmp_path)).read(0.0)] == [100.0]
    with Writer(str(tmp_path)) as writer:
        writer.append(sample(110.0))
    assert [one.at for one in Journal(str(tmp_path)).read(0.0)] == [100.0, 110.0]


def test_it_is_read_while_it_is_written(tmp_path):
    over = threading.Event()

    def write():
        with Writer(str(tmp_path), TIERS) as writer:
            for at in range(1000, 4000):
                writer.append(sample(float(at)))
        over.set()

    threading.Thread(target=write).start()
    journal, last = Journal(str(tmp_path), TIERS), 0.0
    while not over.is_set():
        seen = [one.at for one in journal.read(0.0)]
        assert seen == sorted(seen)
        assert not seen or seen[-1] >= last
        last = seen[-1] if seen else last
    assert journal.newest().at == 3999.0


def test_samples_of_a_clock_that_was_set_back_go(tmp_path):
    with Writer(str(tmp_path), TIERS) as writer:
        writer.append(sample(5e9))
        writer.append(sample(1000.0))
    assert [one.at for one in writer.read(0.0)] == [1000.0]


def test_a_full_disk_is_an_error_and_spoils_no_later_line(tmp_path, monkeypatch):
    with Writer(str(tmp_path)) as writer:
        writer.append(sample(100.0))
        with monkeypatch.context() as patch:
            real = os.write
            patch.setattr(os, "write", lambda fd, data: real(fd, data[:9]) if len(data) > 99 else _full())
            with pytest.raises(Failed, match="No space"):
                writer.append(sample(105.0))
        writer.append(sample(110.0))
    assert [one.at for one in writer.read(0.0)] == [100.0, 110.0]


def _full():
    raise OSError(28, "No space left on device")


def test_a_line_is_the_sample():
    thinned = Sample(9.5, 60.0, {"host": usage("höst\n", 1.5, 3.0), "u": Usage("x", (None,) * 6)})
    assert decode_sample(encode_sample(thinned)) == thinned


@pytest.mark.parametrize(
    "line", [b"", b"{}", b'{"t":1,"d":1,"v":{"u":["x",[1,2]]}}', b'{"t":NaN,"d":1,"v":{}}', b'{"t":1,"d":1,"v":[]}']
)
def test_what_is_no_sample_is_none(line):
    assert decode_sample(line) is None


def test_the_peak_of_thinned_samples_is_the_highest_of_their_peaks():
    minutes = [Sample(at, 60.0, {"u1": usage(cpu=1.0, peak=peak)}) for at, peak in ((60.0, 9.0), (120.0, 2.0))]
    assert thin(minutes).usages["u1"].peak[0] == 9.0


def test_a_mean_is_weighted_by_time_and_leaves_out_what_is_not_known():
    whole = thin([sample(1.0, 10.0, 1.0), sample(4.0, 2.0, 3.0), sample(9.0, None)])
    assert (whole.at, whole.seconds, whole.usages["u1"].mean[0], whole.usages["u1"].peak[0]) == (9.0, 9.0, 4.0, 10.0)


# ---- the collector


def connect():
    return open_host(TEST, readonly=True)


@pytest.fixture
def once(tmp_path):
    """Runs `collect --once` on the test driver; what it said."""

    def run(*above):
        said = []
        collect(connect, [*above, str(tmp_path)], str(tmp_path / "run"), 0.1, True, said.append)
        return said

    return run


def journal_of(state_dir):
    return Journal(journal_directory(str(state_dir), TEST))


def test_once_is_one_sample_and_the_next_one_needs_one_round(once, tmp_path, monkeypatch):
    once()
    assert len(journal_of(tmp_path).read(0.0)) == 1
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("the second one measures once"))
    time_since = os.path.join(journal_of(tmp_path).directory, COUNTERS)
    while time.clock_gettime(time.CLOCK_BOOTTIME) - load_round(time_since).clock < rates.SHORTEST:
        pass
    once()
    assert len(journal_of(tmp_path).read(0.0)) == 2


def test_a_second_collector_finds_the_first_and_leaves(once, tmp_path):
    (tmp_path / "run").mkdir()
    from kimchictl.locks import Lock

    held, over = threading.Event(), threading.Event()

    def hold():
        with Lock(str(tmp_path / "run" / f"collect-{os.path.basename(journal_of(tmp_path).directory)}"), "it"):
            held.set()
            over.wait()

    threading.Thread(target=hold).start()
    held.wait()
    said = once()
    over.set()
    assert "collects already" in said[0]
    assert journal_of(tmp_path).read(0.0) == []


def test_a_users_collector_leaves_it_to_the_systems(once, tmp_path):
    system = tmp_path / "system"
    collect(connect, [str(system)], str(tmp_path / "other"), 0.1, True, lambda _said: None)
    assert "the system's collector" in once(str(system))[0]


def test_counters_older_than_the_newest_sample_are_not_begun_with(once, tmp_path):
    once()
    kept = os.path.join(journal_of(tmp_path).directory, COUNTERS)
    old = load_round(kept)
    with open(kept, "wb") as file:
        file.write(encode_round(Round(old.at - 60, old.clock - 60, old.boot, old.subjects)))
    once()
    assert journal_of(tmp_path).newest().seconds < 30


@pytest.mark.parametrize("content", [b"", b"[]", b'{"at":1}', b'{"at":1,"clock":1,"boot":"","subjects":{"u":{"x":1}}}'])
def test_damaged_counters_are_none(tmp_path, content):
    (tmp_path / COUNTERS).write_bytes(content)
    assert load_round(str(tmp_path / COUNTERS)) is None


def test_counters_are_kept_as_they_are(tmp_path):
    last = Round(1.5, 2.5, "b", {"u": counters(), HOST: Counters("host", "")})
    (tmp_path / COUNTERS).write_bytes(encode_round(last))
    assert load_round(str(tmp_path / COUNTERS)) == last


# ---- looking


def test_current_is_of_now_and_the_peak_of_all():
    one = Look([sample(10.0, 80.0), sample(15.0, 5.0)], sample(20.0, 7.0)).one("web")
    assert (one.cpu.current, one.cpu.peak, one.cpu.unit) == (7.0, 80.0, "%")


def test_the_peak_of_a_thinned_sample_counts_not_its_mean():
    assert Look([Sample(10.0, 60.0, {"u1": usage(cpu=5.0, peak=99.0)})], None).one("web").cpu.peak == 99.0


def test_what_is_gone_stays_in_the_history_only():
    looked = Look([sample(10.0, gone=usage("old", 9.0))], sample(20.0))
    assert [one.name for one in looked.all()] == ["web"]
    assert [one.name for one in looked.all(history=True)] == ["old", "web"]
    old = looked.one("old", history=True)
    assert (old.cpu.current, old.cpu.peak, old.at, len(old.history)) == (None, 9.0, "1970-01-01T00:00:10Z", 1)


def test_of_two_with_one_name_the_one_seen_last_is_meant_and_a_new_name_is_the_same_vm():
    looked = Look([sample(10.0, u2=usage("was"))], sample(20.0, u3=usage("was", 1.0)))
    assert looked.one("was").uuid == "u3"
    assert looked.one("u2").name == "was"


def test_without_a_collector_it_is_measured_and_said(tmp_path):
    looked = look(Journal(str(tmp_path)), connect, 60, pause=0.1)
    assert [one.name for one in looked.all()] == ["host", "test"]
    assert "nobody collects" in looked.remark


def test_with_a_collector_the_host_is_not_asked(once, tmp_path):
    once()
    looked = look(journal_of(tmp_path), lambda: pytest.fail("asked"), 60)
    assert is_current(looked.now)
    assert looked.remark == ""


def test_where_the_host_does_not_answer_what_was_collected_is_shown(tmp_path):
    def broken():
        raise HostError("cannot connect")

    with Writer(str(tmp_path)) as writer:
        writer.append(sample(time.time() - 600))
    looked = look(Journal(str(tmp_path)), broken, 3600)
    assert looked.one("web").cpu.current is None
    assert "cannot connect" in looked.remark
    with pytest.raises(HostError):
        look(Journal(str(tmp_path)), broken, 60)


def test_of_several_journals_the_one_written_last_is_read(once, tmp_path):
    once()
    assert find_journal([str(tmp_path / "none"), str(tmp_path)], TEST).directory == journal_of(tmp_path).directory
    assert find_journal([str(tmp_path), str(tmp_path / "none")], TEST).directory == journal_of(tmp_path).directory
