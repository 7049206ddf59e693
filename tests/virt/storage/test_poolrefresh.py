"""A refresh does no harm, and one that hangs harms nobody else."""

import os
import threading
from types import SimpleNamespace

import pytest

from kimchictl.virt.deadlines import Running, all_within
from kimchictl.virt.storage.poolrefresh import refresh, unreachable


class Hanging:
    """A pool on a server that is gone: its refresh ends when `gate` is opened."""

    def __init__(self):
        self.asked, self.begun, self.gate = 0, threading.Event(), threading.Event()

    def refresh(self, _flags):
        self.asked += 1
        self.begun.set()
        self.gate.wait()


@pytest.fixture
def far(host):
    """A host far away, on which no directory can be looked at first."""
    return SimpleNamespace(is_test=False, is_local=False, is_session=False, readonly=False, uri="far", lib=host.lib)


def test_a_refresh_that_hangs_is_not_asked_again_while_it_does(far):
    pool = Hanging()
    first = Running(lambda: refresh(far, pool, "p", "netfs", "/p", 5))
    pool.begun.wait()
    again = refresh(far, pool, "p", "netfs", "/p", 5)
    assert (again.stale, pool.asked) == (True, 1) and "has not ended" in again.error
    pool.gate.set()
    assert not first.wait(10, "p").stale
    assert not refresh(far, pool, "p", "netfs", "/p", 5).stale and pool.asked == 2


def test_a_refresh_that_hangs_keeps_no_other_waiting(far):
    dead, good = Hanging(), Hanging()
    good.gate.set()
    jobs = {
        "dead": lambda: refresh(far, dead, "dead", "netfs", "/p", 5),
        "good": lambda: refresh(far, good, "good", "netfs", "/p", 5),
    }
    results = all_within(0.2, jobs)
    assert not results["good"].stale and "did not answer" in str(results["dead"])
    dead.gate.set()


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can be somebody else")
def test_a_directory_that_only_libvirtd_may_read_answers_all_the_same(tmp_path):
    (tmp_path / "p").mkdir()
    os.chmod(tmp_path / "p", 0o700)
    os.seteuid(65534)
    try:
        assert unreachable(str(tmp_path / "p"), 5) is not None
        assert unreachable(str(tmp_path / "p"), 5, may_be_denied=True) is None
        assert unreachable("/nonexistent", 5, may_be_denied=True) is not None
    finally:
        os.seteuid(0)
