"""A step and its undo are one, whatever signal arrives in between."""

import os
import signal
import threading
import time

import pytest

from kimchictl.locks.signals import uninterrupted


@pytest.fixture
def another_thread():
    """One that lives as long as the test: the kernel may hand it what the main thread holds back."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


def test_a_ctrl_c_waits_for_the_end_of_the_step_though_another_thread_could_take_it(another_thread):
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        steps.append("done")
    assert steps == ["done"]


def test_steps_within_steps_hold_it_until_the_outermost_ends(another_thread):
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        steps.append("done")
    assert steps == ["done"]


def test_afterwards_signals_are_handled_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="wrong"), uninterrupted():
        raise ValueError("wrong")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_child_that_was_forked_meanwhile_is_not_interrupted_for_its_parent():
    with pytest.raises(KeyboardInterrupt):
        try:
            with uninterrupted():
                os.kill(os.getpid(), signal.SIGINT)
                child = os.fork()
            os._exit(7)  # only the child comes here
        except KeyboardInterrupt:
            if child == 0:
                os._exit(1)
            raise
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
