import os
import threading

import pytest

from kimchictl.actions.host.journal import Journal, Tier, Writer
from kimchictl.actions.host.samples import Sample, Usage, decode_sample, encode_sample, thin
from kimchictl.errors import Failed
from lab.samples import sample, usage

TIERS = (Tier("fine", 0, 100, 8000), Tier("minute", 10, 1000, 8000), Tier("quarter", 100, 10000, 8000))


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
