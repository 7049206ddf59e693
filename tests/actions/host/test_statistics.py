import os
import threading
import time

import pytest

from kimchictl.actions.host import rates
from kimchictl.actions.host.collect import COUNTERS, collect, encode_round, is_current, journal_directory, load_round
from kimchictl.actions.host.journal import Journal, Writer
from kimchictl.actions.host.samples import Sample
from kimchictl.actions.host.statistics import Look, find_journal, look
from kimchictl.errors import HostError
from kimchictl.virt.connection import open_host
from kimchictl.virt.stats import HOST, Counters, Round
from lab.samples import sample, usage

TEST = "test:///default"


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
    last = Round(
        1.5,
        2.5,
        "b",
        {"u": Counters("web", "1", 0, 2, 1024, {"vda": (0, 0)}, {"vnet0": (0, 0)}), HOST: Counters("host", "")},
    )
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
