import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from kimchictl.actions.host.collect import journal_directory
from kimchictl.actions.host.journal import Journal, Writer
from kimchictl.actions.host.samples import Sample, Usage

URI = "test:///default"
MAIN = [sys.executable, "-m", "kimchictl", "-c", URI]
MEASURES = ("cpu", "memory", "disk_read", "disk_write", "net_rx", "net_tx")


def directory():
    return journal_directory(os.environ["KIMCHI_STATE_DIR"], URI)


@pytest.fixture
def journal():
    """What a collector that is still at work has written: one VM, and one that is gone."""
    os.makedirs(directory())
    now = time.time()
    guest = Usage("web\x1b[2J", (25.0, 1 << 30, 2048, 0, 50_000, None))
    with Writer(directory()) as writer:
        writer.append(Sample(now - 900, 60.0, {"host": Usage("host", (9.0, 4 << 30, 0, 0, 0, 0)), "u2": guest}))
        past = Usage("web\x1b[2J", (75.0, 2 << 30, 4096, 0, 0, None))
        writer.append(Sample(now - 60, 60.0, {"host": Usage("host", (5.0, 4 << 30, 0, 0, 0, 0)), "u1": past}))
        writer.append(Sample(now, 60.0, {"host": Usage("host", (1.0, 3 << 30, 0, 0, 0, 0)), "u1": guest}))


def test_all_that_run_have_current_peak_and_unit(kimchi, journal):
    host, guest = kimchi("-c", URI, "stats", "show", "-o", "json", status=0).json
    assert set(host) == {"name", "uuid", "at", *MEASURES}
    assert (host["name"], guest["uuid"], guest["cpu"]) == ("host", "u1", {"current": 25.0, "peak": 75.0, "unit": "%"})
    assert guest["memory"] == {"current": 1 << 30, "peak": 2 << 30, "unit": "bytes"}
    assert guest["net_tx"] == {"current": None, "peak": None, "unit": "bytes/s"}


def test_with_since_there_is_a_history_and_what_is_gone_is_in_it(kimchi, journal):
    rows = kimchi("-c", URI, "stats", "show", "--since", "1h", "-o", "json", status=0).json
    assert [(row["uuid"], len(row["history"])) for row in rows] == [(None, 3), ("u1", 2), ("u2", 1)]
    assert set(rows[1]["history"][0]) == {"at", "seconds", *MEASURES}
    assert [moment["cpu"] for moment in rows[1]["history"]] == [75.0, 25.0]


def test_the_peak_is_of_the_time_asked_for(kimchi, journal):
    shown = kimchi("-c", URI, "stats", "show", "u1", "--since", "30s", "-o", "json", status=0).json
    assert (shown["cpu"]["peak"], len(shown["history"])) == (25.0, 1)


def test_csv_has_numbers_and_with_since_a_line_a_sample(kimchi, journal):
    header, host, _guest = kimchi("-c", URI, "stats", "show", "-o", "csv", status=0).out.splitlines()
    assert header.startswith("name,uuid,at,cpu.current,cpu.peak,memory.current,")
    assert host.split(",")[3:6] == ["1.0", "9.0", str(3 << 30)]
    lines = kimchi("-c", URI, "stats", "show", "host", "--since", "1h", "-o", "csv", status=0).out.splitlines()
    assert lines[0] == "name,uuid,at,seconds," + ",".join(MEASURES)
    assert [line.split(",")[4] for line in lines[1:]] == ["9.0", "5.0", "1.0"]


def test_a_table_has_units_no_escape_and_in_a_pipe_no_spark_line(kimchi, journal):
    out = kimchi("-c", URI, "stats", "show", status=0).out
    assert "web\\x1b[2J  25.0 %  1 GiB" in out
    assert "48.8 KiB/s" in out
    assert kimchi("-c", URI, "stats", "show", "u1", status=0).out.isascii()


def test_values_can_be_filtered_and_sorted(kimchi, journal):
    line = ("-c", URI, "stats", "show", "-o", "json", "--columns", "name,cpu.current")
    assert [row["cpu.current"] for row in kimchi(*line, "--sort=-cpu.current", status=0).json] == [25.0, 1.0]
    assert len(kimchi(*line, "--filter", "memory.current>=2G", status=0).json) == 1


def test_without_a_collector_it_is_measured_and_a_vm_that_nobody_knows_is_not_found(kimchi):
    done = kimchi("-c", URI, "stats", "show", "test", "-o", "json", status=0)
    assert (done.json["name"], done.json["cpu"]["current"]) == ("test", None)
    assert "measured over 1 s" in done.err
    assert kimchi("-c", URI, "stats", "show", "nope", "-o", "json", status=3).error["code"] == "not_found"


@pytest.mark.parametrize("interval", ["0s", "2h", "soon"])
def test_an_interval_that_makes_no_sense_is_wrong_usage(kimchi, interval):
    kimchi("-c", URI, "stats", "collect", "--interval", interval, status=2)


def test_a_host_that_cannot_be_reached_is_said_at_once(kimchi):
    uri = "qemu+unix:///system?socket=/nonexistent"
    for verb in (("collect",), ("collect", "--once"), ("show",)):
        kimchi("-c", uri, "stats", *verb, status=5)


def test_a_collector_runs_until_sigterm_and_a_second_one_leaves(kimchi):
    first = subprocess.Popen([*MAIN, "stats", "collect", "--interval", "0.5s"], stderr=subprocess.PIPE, text=True)
    assert "every 0.5 s" in first.stderr.readline()
    second = kimchi("-c", URI, "stats", "collect", status=0)
    assert f"process {first.pid}" in second.err
    while len(Journal(directory()).read(0.0)) < 3:
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    assert (first.wait(), first.stderr.read()) == (143, "kimchictl: terminated\n")
    assert os.path.exists(os.path.join(directory(), "counters.json"))


def test_a_collector_killed_without_notice_leaves_no_lock_and_no_damage(kimchi):
    first = subprocess.Popen([*MAIN, "stats", "collect", "--interval", "0.5s"], stderr=subprocess.PIPE, text=True)
    first.stderr.readline()
    first.kill()
    first.communicate()
    kimchi("-c", URI, "stats", "collect", "--once", status=0)
    assert len(Journal(directory()).read(0.0)) >= 2


# ---- the live screen


class Screen:
    """A terminal of 140 by 12 in which `stats watch`, or another command, runs."""

    def __init__(self, *command):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 140, 0, 0))
        self.before = termios.tcgetattr(slave)
        environ = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [*MAIN, *(command or ("stats", "watch", "--interval", "0.5s"))],
            stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self.slave, self.drawn = slave, ""

    def read_until(self, text):
        end = time.monotonic() + 30
        while text not in self.drawn:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], self.drawn
            self.drawn += os.read(self.master, 65536).decode()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def screen():
    opened = Screen()
    yield opened
    opened.close()


def test_on_a_terminal_one_vm_has_spark_lines(journal):
    opened = Screen("stats", "show", "u1")
    opened.read_until("net tx")
    opened.close()
    assert "peak 75.0 %        ▆▂" in opened.drawn


def test_the_live_screen_shows_bars_and_ctrl_c_gives_the_terminal_back(journal, screen):
    screen.read_until("48.8 KiB/s")
    assert "web\\x1b[2J" in screen.drawn
    assert "██" in screen.drawn
    os.write(screen.master, b"\x03")
    screen.read_until("interrupted")
    assert screen.process.wait() == 130
    assert "\x1b[?1049l" in screen.drawn
    assert "\x1b[?25h" in screen.drawn
    assert termios.tcgetattr(screen.slave) == screen.before


def test_the_live_screen_ends_on_sigterm_as_well(screen):
    screen.read_until("nobody collects")
    screen.process.send_signal(signal.SIGTERM)
    screen.read_until("terminated")
    assert "\x1b[?1049l" in screen.drawn


def test_the_live_screen_follows_the_size_of_the_terminal(journal, screen):
    screen.read_until("RECEIVED")
    screen.drawn = ""
    fcntl.ioctl(screen.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 40, 0, 0))
    screen.read_until("CPU")
    assert "RECEIVED" not in screen.drawn


def test_without_a_terminal_there_is_no_live_screen(kimchi):
    kimchi("-c", URI, "stats", "watch", status=2)
