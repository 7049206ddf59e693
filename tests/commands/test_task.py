import contextlib
import os
import subprocess
import sys
import time

import pytest

from kimchictl.actions.host.processes import identity
from kimchictl.actions.host.tasks import task_store
from kimchictl.media.scan.index import Index

KEYS = {"id", "what", "who", "host", "state", "started", "finished", "progress", "message", "pid"}


@pytest.fixture
def recorded():
    """Leaves a record, and gives its id."""

    def leave(name, **given):
        store = task_store([os.environ["KIMCHI_STATE_DIR"]])
        data = {"what": "fetch x", "who": "eve", "started": time.time(), "state": "finished", **given}
        with store.session() as session:
            return session.put(name, data).name

    return leave


def test_no_tasks_are_an_empty_list(kimchi):
    assert kimchi("task", "list", "-o", "json", status=0).json == []


def test_tasks_are_listed_the_newest_last_and_shown_with_all_their_keys(kimchi, recorded):
    recorded("new")
    recorded("old", started=1.0, done=1 << 30, total=2 << 30, unit="bytes")
    listed = kimchi("task", "list", "-o", "json", status=0).json
    assert [row["id"] for row in listed] == ["old", "new"]
    shown = kimchi("task", "show", "old", "-o", "json", status=0).json
    assert shown == listed[0]
    assert set(shown) == KEYS
    assert shown["progress"] == {"done": 1 << 30, "total": 2 << 30, "unit": "bytes", "percent": 50.0}


def test_a_table_says_how_far_it_is(kimchi, recorded):
    recorded("a", done=3, total=4, unit="images")
    recorded("b", done=1 << 20, unit="bytes")
    recorded("c", done=5, unit="directories")
    out = kimchi("task", "list", "--columns", "id,progress", status=0).out
    assert out.split("\n")[1:] == ["a   75 %", "b   1 MiB", "c   5 directories", ""]


def test_states_can_be_filtered(kimchi, recorded):
    recorded("a")
    recorded("b", state="running", process=identity(os.getpid()))
    assert kimchi("task", "list", "--filter", "state=running", "-o", "name", status=0).out == "b\n"


def test_what_a_record_says_is_escaped(kimchi, recorded):
    recorded("a", what="x\x1b[2J")
    assert "\x1b" not in kimchi("task", "list", status=0).out + kimchi("task", "show", "a").out


def test_waiting_ends_as_the_task_did(kimchi, recorded):
    recorded("good")
    recorded("bad", state="failed", message="no space")
    recorded("busy", state="running", process=identity(os.getpid()))
    assert kimchi("task", "wait", "good", status=0).out == ""
    assert "hint: no space" in kimchi("task", "wait", "bad", status=1).err
    kimchi("task", "wait", "busy", "--timeout", "0s", status=8)
    kimchi("task", "wait", "good", "bad", status=7)
    kimchi("task", "wait", "gone", status=3)


def test_what_is_over_cannot_be_cancelled_but_twice_is_a_note(kimchi, recorded):
    recorded("good")
    recorded("ended", state="cancelled")
    kimchi("task", "cancel", "good", status=4)
    assert "already" in kimchi("task", "cancel", "ended", status=0).err


def test_a_quick_scan_is_no_task(kimchi, tmp_path):
    kimchi("iso", "scan", "--deep", str(tmp_path), status=0)
    assert kimchi("task", "list", "-o", "json", status=0).json == []


def test_a_deep_scan_that_takes_long_can_be_seen_and_cancelled(kimchi, tmp_path):
    index = Index([os.environ["KIMCHI_STATE_DIR"]])
    with index.place_lock(str(tmp_path)):  # which the scan waits for
        command = ["iso", "scan", "--deep", str(tmp_path), "--lock-timeout", "60s"]
        scan = subprocess.Popen([sys.executable, "-m", "kimchictl", *command], stderr=subprocess.DEVNULL)
        while not (rows := kimchi("task", "list", "-o", "json", status=0).json):
            assert scan.poll() is None
            time.sleep(0.05)
        assert (rows[0]["what"], rows[0]["state"], rows[0]["pid"]) == (f"deep scan of {tmp_path}", "running", scan.pid)
        kimchi("task", "cancel", rows[0]["id"], status=0)
    assert scan.wait() == 143
    assert kimchi("task", "show", rows[0]["id"], "-o", "json").json["state"] == "cancelled"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("distro", "check", "d"), "check of d"),
        (("volume", "fetch", "default-pool", "http://127.0.0.1:9/a.iso"), "fetch of http://127.0.0.1:9/a.iso"),
        (("volume", "clone", "default-pool", "none"), "copy of none"),
    ],
)
def test_work_that_may_take_long_is_a_task(kimchi, monkeypatch, words, what):
    entry = ("--os-distro", "debian", "--os-version", "12", "--no-check")
    kimchi("distro", "add", "d", "--url", "http://127.0.0.1:9/a.iso", *entry, status=0)
    begun = []

    def recording(store, what, inner, host):
        begun.append(what)
        return contextlib.nullcontext(inner)

    monkeypatch.setattr("kimchictl.actions.host.recording.recording", recording)
    assert kimchi("-c", "test:///default", *words).status
    assert begun and begun[0].startswith(what)
