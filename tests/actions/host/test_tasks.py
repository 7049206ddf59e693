import os
import signal
import subprocess
import sys
import time

import pytest

from kimchictl.actions.host import recording as module
from kimchictl.actions.host.processes import identity
from kimchictl.actions.host.recording import recording
from kimchictl.actions.host.tasks import cancel, task, task_store, tasks, wait
from kimchictl.errors import Failed, NotFound, TimedOut, WrongState
from kimchictl.progress import Progress

WORK = """
import sys, time
from kimchictl.actions.host import recording as module
from kimchictl.actions.host.recording import recording
from kimchictl.actions.host.tasks import task_store
from kimchictl.cli import _sigterm
module.INTERVAL = 0.02
with _sigterm(), recording(task_store([sys.argv[1]]), "long work", patience=0) as progress:
    progress.begin("sheep", 100, "sheep")
    progress.advance(25, "over the fence")
    try:
        time.sleep(60)
    except BaseException:
        open(sys.argv[1] + "/undone", "w").close()
        raise
"""


@pytest.fixture
def store(tmp_path):
    return task_store([str(tmp_path)])


@pytest.fixture
def worker(tmp_path, store):
    """A process at work on a task, which is recorded by now; it is gone at the end."""
    process = subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path)], stderr=subprocess.DEVNULL)
    while not (found := tasks(store)[0]) or found[0].progress.done != 25:
        assert process.poll() is None
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def the_task(store):
    (one,) = tasks(store)[0]
    return one


def record(store, **given):
    """A record as some process might have left it."""
    data = {"what": "x", "who": "root", "state": "running", "started": time.time(), "process": None, **given}
    with store.session() as session:
        return session.put(f"id{len(session.listing.documents)}", data).name


def slow(store, **given):
    """The context of work that takes long enough to leave a record."""
    return recording(store, "deep scan of /srv", patience=0, **given)


def wait_for_record(store):
    while not tasks(store)[0]:
        time.sleep(0.01)


def test_short_work_leaves_no_record(store):
    with recording(store, "short") as progress:
        progress.begin("x")
    assert tasks(store) == ([], [])


def test_long_work_is_recorded_as_running_and_then_as_finished(store):
    with slow(store, host="test:///default"):
        wait_for_record(store)
        now = the_task(store)
        assert (now.what, now.state, now.pid, now.finished) == ("deep scan of /srv", "running", os.getpid(), None)
    assert (the_task(store).state, the_task(store).host) == ("finished", "test:///default")
    assert wait(store, the_task(store).id, 0) == the_task(store)


def test_progress_is_recorded_and_passed_on(store):
    heard = []

    class Hearing(Progress):
        def advance(self, done, where=""):
            heard.append((done, where))

    with slow(store, inner=Hearing()) as progress:
        wait_for_record(store)
        progress.begin("reading", 8, "images")
        progress.advance(2, "a\udcff.iso")
    assert heard == [(2, "a\udcff.iso")]
    assert (the_task(store).progress.percent, the_task(store).message) == (25.0, "a\\udcff.iso")


@pytest.mark.parametrize(("raised", "state"), [(Failed("no space"), "failed"), (KeyboardInterrupt(), "cancelled")])
def test_an_error_is_failed_and_a_signal_is_cancelled(store, raised, state):
    with pytest.raises(type(raised)), slow(store):
        wait_for_record(store)
        raise raised
    assert the_task(store).state == state
    with pytest.raises(Failed, match=state):
        wait(store, the_task(store).id, 0)


def test_a_directory_that_cannot_be_written_stops_no_work_and_is_said(tmp_path):
    said = []

    class Hearing(Progress):
        def note(self, message):
            said.append(message)

    (tmp_path / "tasks").write_text("a file")
    with recording(task_store([str(tmp_path)]), "work", Hearing(), patience=0) as progress:
        progress._thread.join()
    assert "not recorded" in said[0]


def test_cancelling_ends_the_process_after_it_undid_its_work(store, worker, tmp_path):
    ended = cancel(store, the_task(store).id, 30, pytest.fail)
    assert ended.state == "cancelled"
    assert (tmp_path / "undone").exists()
    assert worker.wait() != 0


def test_the_first_characters_of_an_id_are_enough(store, worker):
    assert task(store, the_task(store).id[:3]) == the_task(store)
    with pytest.raises(NotFound):
        task(store, "")


def test_a_killed_process_leaves_a_lost_task(store, worker):
    worker.kill()
    worker.wait()
    assert the_task(store).state == "lost"
    with pytest.raises(WrongState, match="lost"):
        cancel(store, the_task(store).id, 1, pytest.fail)


def test_a_process_that_nobody_waited_for_is_gone_as_well(store, worker):
    worker.kill()
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    assert identity(worker.pid) is None
    assert the_task(store).state == "lost"


def test_a_process_that_does_not_end_in_time_is_named(store, worker):
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(TimedOut, match="still undoing"):
        cancel(store, the_task(store).id, 0.05, pytest.fail)
    with pytest.raises(TimedOut, match="still running"):
        wait(store, the_task(store).id, 0)


def test_another_process_with_the_same_number_is_left_alone(store, worker):
    other = {**identity(worker.pid), "start": 1}
    name = record(store, process=other)
    assert task(store, name).state == "lost"
    with pytest.raises(WrongState):
        cancel(store, name, 1, pytest.fail)
    assert worker.poll() is None


def test_a_process_of_another_namespace_is_running_as_far_as_one_can_tell_and_not_signalled(store, worker):
    name = record(store, process={**identity(worker.pid), "namespace": "pid:[1]"})
    assert task(store, name).state == "running"
    with pytest.raises(Failed, match="cannot be seen from here"):
        cancel(store, name, 1, pytest.fail)
    assert worker.poll() is None


def test_a_process_of_an_earlier_boot_is_gone(store):
    name = record(store, process={**identity(os.getpid()), "boot": "before"})
    assert task(store, name).state == "lost"


def test_what_ended_over_a_week_ago_is_swept_and_what_runs_is_not(store):
    old = time.time() - 8 * 86400
    record(store, state="finished", finished=old)
    running = record(store, started=old, process=identity(os.getpid()))
    recent = record(store, state="failed", finished=time.time())
    with slow(store):
        while "id0" in store.read().documents:
            time.sleep(0.01)
    assert {running, recent} < store.read().documents.keys()


def test_only_so_many_are_kept(store, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    for age in (30, 20, 10):
        record(store, state="finished", finished=time.time() - age)
    with slow(store):
        while "id0" in store.read().documents:
            time.sleep(0.01)
    assert {"id1", "id2"} < store.read().documents.keys()


def test_a_user_sees_the_systems_tasks_and_writes_their_own(tmp_path):
    system, both = task_store([str(tmp_path / "a")]), task_store([str(tmp_path / "a"), str(tmp_path / "b")])
    with slow(system):
        wait_for_record(system)
    with slow(both):
        while len(tasks(both)[0]) < 2:
            time.sleep(0.01)
    assert (len(tasks(system)[0]), len(tasks(both)[0])) == (1, 2)


@pytest.mark.parametrize(
    "odd",
    [{"process": {"pid": "1"}}, {"process": 7, "what": None}, {"state": [], "started": "x", "done": -1, "total": 0}],
)
def test_an_odd_record_is_shown_as_lost(store, odd):
    assert task(store, record(store, **odd)).state == "lost"


def test_a_damaged_record_is_a_sentence(store, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/x.json").write_text("{")
    found, problems = tasks(store)
    assert found == []
    assert "x.json" in problems[0]
