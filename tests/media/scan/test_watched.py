"""Work in a child that may be given up: its result, its silence, and Ctrl-C."""

import os
import signal
import time

import pytest

from kimchictl.media.scan.watched import Stalled, watched


def test_the_result_comes_whole_with_the_paths_before_it():
    heard = []

    def work(tell):
        for number in range(3000):
            tell(b"/place/%d" % number)
        return b"t\0r" * 100_000

    assert watched(work, 10, lambda path: bool(heard.append(path))) == b"t\0r" * 100_000
    assert heard[:2] == [b"", b"/place/0"]
    assert len(heard) == 3001


def test_work_that_fails_has_no_result():
    assert watched(lambda tell: 1 / 0, 10) is None


def test_silence_counts_only_behind_a_path_that_may_stall():
    def work(tell):
        for path in (b"/near", b"/far"):
            tell(path)
            time.sleep(0.2)
        return b""

    with pytest.raises(Stalled) as caught:
        watched(work, 0.05, lambda path: path == b"/far")
    assert caught.value.path == b"/far"
    assert watched(work, 0.05, lambda path: False) == b""


@pytest.mark.parametrize("interruptible", [True, False])
def test_ctrl_c_lets_the_work_come_to_an_early_end_or_ends_it(interruptible):
    pressed = []

    def work(tell):
        try:
            tell(b"/begun")
            time.sleep(60)
        except KeyboardInterrupt:
            return b"half"
        return b"whole"

    def press(path):
        if path and not pressed:
            pressed.append(path)
            os.kill(os.getpid(), signal.SIGINT)
        return True

    try:
        result = watched(work, 10, press, interruptible)
    except KeyboardInterrupt:
        result = None
    assert result == (b"half" if interruptible else None)
