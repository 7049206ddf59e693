"""The password of a display, asked for on a terminal."""

import os
import pty
import select
import sys

import pytest


def on_terminal(argv, *typed):
    """(exit status, what the terminal showed) of kimchictl, with an answer typed at each prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "kimchictl", "-c", "test:///default", *argv])  # noqa: S606
    shown, answers = b"", list(typed)
    while select.select([terminal], [], [], 10)[0]:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # Linux's way to say that nobody has it open any more
            break
        if answers and shown.endswith(b": "):
            os.write(terminal, answers.pop(0))
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.fixture
def create(kimchi, image):
    kimchi("template", "create", "deb", "--cdrom", image(), "--disk", "none", "--network", "none", status=0)
    return ("vm", "create", "web", "--template", "deb", "--graphics", "vnc,0.0.0.0")


def test_it_is_asked_for_twice_and_not_shown(create):
    status, shown = on_terminal(create, b"geheim\n", b"geheim\n")
    assert (status, "vm 'web' created" in shown) == (0, True), shown
    assert "8 bytes at most" in shown and "geheim" not in shown


@pytest.mark.parametrize(("typed", "status"), [((b"longer than 8\n",) * 2, 4), ((b"\x03",), 130)])
def test_one_that_is_too_long_or_an_interrupt_makes_nothing(create, typed, status):
    ended, shown = on_terminal(create, *typed)
    assert (ended, "created" in shown) == (status, False), shown
