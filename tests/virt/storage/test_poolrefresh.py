"""A refresh does no harm, and one that hangs harms nobody else, whichever process asks."""

import fcntl
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from kimchictl.config import find_places
from kimchictl.errors import Locked, TimedOut
from kimchictl.virt.deadlines import Running, all_within
from kimchictl.virt.storage import poollock
from kimchictl.virt.storage.poolrefresh import refresh, unreachable
from lab.fuse import DeadDirectory, needs_fuse


class Hanging:
    """A pool on a server that is gone: its refresh ends when `gate` is opened."""

    def __init__(self, uuid="a"):
        self.uuid, self.asked, self.begun, self.gate = uuid, 0, threading.Event(), threading.Event()

    def UUIDString(self):  # as libvirt calls it
        return self.uuid

    def name(self):
        return "p"

    def refresh(self, _flags):
        self.asked += 1
        self.begun.set()
        self.gate.wait()


def answering(uuid="a"):
    pool = Hanging(uuid)
    pool.gate.set()
    return pool


@pytest.fixture
def far(host):
    """A host far away, on which no directory can be looked at first."""
    uri = "qemu+ssh://me@far/system"
    return SimpleNamespace(is_test=False, is_local=False, is_session=False, readonly=False, uri=uri, lib=host.lib)


@pytest.fixture
def near(far):
    far.is_local, far.uri = True, "qemu:///system"
    return far


def locks():
    return Path(find_places(os.environ).run_dir, "pools")


def test_a_refresh_that_hangs_is_not_asked_again_while_it_does(far):
    pool = Hanging()
    first = Running(lambda: refresh(far, pool, "p", "netfs", "/p", 5))
    pool.begun.wait()
    again = refresh(far, pool, "p", "netfs", "/p", 0.05)
    assert (again.stale, again.reachable, pool.asked) == (True, False, 1)
    assert again.error.startswith(f"it does not answer: process {os.getpid()} has been at it since 20")
    pool.gate.set()
    assert not first.wait(10, "p").stale
    assert not refresh(far, pool, "p", "netfs", "/p", 5).stale and pool.asked == 2


def test_a_refresh_waits_for_the_one_before_it(far):
    pool = Hanging()
    first = Running(lambda: refresh(far, pool, "p", "netfs", "/p", 5))
    pool.begun.wait()
    second = Running(lambda: refresh(far, pool, "p", "netfs", "/p", 5))
    pool.gate.set()
    assert not first.wait(10, "p").stale and not second.wait(10, "p").stale


def test_a_refresh_that_hangs_keeps_no_other_waiting(far):
    dead, good = Hanging(), answering("b")
    jobs = {
        "dead": lambda: refresh(far, dead, "dead", "netfs", "/p", 5),
        "good": lambda: refresh(far, good, "good", "netfs", "/p", 5),
    }
    results = all_within(0.2, jobs)
    assert not results["good"].stale and "did not answer" in str(results["dead"])
    dead.gate.set()


@needs_fuse
def test_a_child_that_hangs_keeps_the_lock_though_it_was_killed(near, tmp_path):
    with DeadDirectory(tmp_path / "p") as dead:
        first = refresh(near, answering(), "p", "dir", str(dead.path), 0.2)
        again = refresh(near, answering(), "p", "dir", str(dead.path), 0.2)
        assert (first.stale, first.reachable, again.stale, again.reachable) == (True, False, True, False)
        pid = first.error.partition("process ")[2].split()[0]
        assert f"process {pid} has been at it since" in again.error and dead.opened == 1
        dead.revive()
        assert not refresh(near, answering(), "p", "dir", str(dead.path), 5).stale


def test_what_whoever_held_the_lock_before_left_there_counts_for_nothing(far, monkeypatch):
    refresh(far, answering(), "p", "netfs", "/p", 5)
    left = iter([poollock.Holder(1, 1_000_000_000, "p")])
    monkeypatch.setattr(poollock, "_holder", lambda text: next(left, None))
    (lock,) = locks().iterdir()
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process" in refresh(far, answering(), "p", "netfs", "/p", 0.03).error


@pytest.mark.parametrize("text", ["", "nonsense", "1", "-1 5 p", "x 2 p", "9" * 60 + " 1 p"])
def test_a_holder_that_cannot_be_told_holds_it_all_the_same(far, text):
    refresh(far, answering(), "p", "netfs", "/p", 5)
    (lock,) = locks().iterdir()
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock.write_text(text)
        assert "another process" in refresh(far, answering(), "p", "netfs", "/p", 0.03).error


def test_who_needs_a_pool_waits_for_whoever_is_at_it_however_long_and_then_names_it(far):
    refresh(far, answering(), "p", "netfs", "/p", 5)
    (lock,) = locks().iterdir()
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock.write_text("17 1000000000 p")
        with pytest.raises(Locked, match="pool 'p' is locked: process 17 has been at it since 2001-09-09"):
            refresh(far, answering(), "p", "netfs", "/p", 5, patience=0.03)
        waiting = Running(lambda: refresh(far, answering(), "p", "netfs", "/p", 5, patience=60))
        with pytest.raises(TimedOut):
            waiting.wait(0.05, "a refresh that waits")
    assert not waiting.wait(10, "a refresh that may").stale


def test_a_refresh_that_was_not_seen_to_end_is_remembered_until_one_does(far):
    pool = Hanging()
    running = Running(lambda: refresh(far, pool, "p", "netfs", "/p", 5))
    pool.begun.wait()
    assert "a refresh of pool 'p', begun at 20" in poollock.never_ended(far)
    pool.gate.set()
    running.wait(10, "p")
    assert poollock.never_ended(far) is None
    far.uri = "qemu:///system"
    assert poollock.never_ended(far) is None


def test_a_lock_is_its_user_s_alone_and_of_one_pool_of_one_host(far):
    for uri, uuid in (("qemu+ssh://far/system", "a"), ("qemu+ssh://far/system", "b"), ("qemu+tls://else/system", "a")):
        far.uri = uri
        refresh(far, answering(uuid), "p", "netfs", "/p", 5)
    found = list(locks().iterdir())
    assert len(found) == 3
    assert {lock.stat().st_mode & 0o777 for lock in found} == {0o600}


def test_where_no_lock_can_be_had_a_refresh_goes_on_without(far, monkeypatch):
    monkeypatch.setenv("KIMCHI_STATE_DIR", "/dev/null/nowhere")
    assert not refresh(far, answering(), "p", "netfs", "/p", 5).stale


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be somebody else")
def test_a_directory_that_only_libvirtd_may_read_answers_all_the_same(tmp_path, monkeypatch):
    # The link in a virtual environment below /root is for root alone; what it leads to is for all.
    monkeypatch.setattr(sys, "executable", os.path.realpath(sys.executable))
    (tmp_path / "p").mkdir()
    os.chmod(tmp_path / "p", 0o700)
    os.seteuid(65534)
    try:
        assert unreachable(str(tmp_path / "p"), 5) is not None
        assert unreachable(str(tmp_path / "p"), 5, may_be_denied=True) is None
        assert unreachable("/nonexistent", 5, may_be_denied=True) is not None
    finally:
        os.seteuid(0)
