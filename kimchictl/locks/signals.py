"""Keeping a Ctrl-C, or a SIGTERM, out of the middle of what has to be done whole."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back until a step and its undo are one; only a process's main thread gets any.

    Not by the thread's mask: the kernel would give the signal to another thread, as one that records the task, and
    Python still raise it in this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    process = os.getpid()
    interrupt, terminate = map(signal.getsignal, _ENDING)
    try:
        for number in _ENDING:
            signal.signal(number, lambda number, _frame: held.append(number))
        yield
    finally:
        try:  # with the first handler back, it may raise
            signal.signal(signal.SIGINT, interrupt)
        finally:
            signal.signal(signal.SIGTERM, terminate)
        if os.getpid() == process:  # and not a child that was forked meanwhile
            for arrived in held:
                signal.raise_signal(arrived)
