"""Steps that know how to undo themselves: what was made is taken back when a later step fails, or at a Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from kimchictl.errors import Disconnected, KimchiError, NotFound

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_PATIENCE = 5.0  # seconds for libvirtd to come back


def take_back(host: "Host", left: str, step: Callable[[], object], failed: Callable[[], None] | None = None) -> None:
    """`step()`; where it fails, what is `left` is said, and `failed()` told.

    For a libvirtd that restarts it waits, and tries once more.
    """
    try:
        try:
            step()
        except KimchiError as error:
            if not isinstance(error, Disconnected) and host.is_alive:
                raise
            host.reopen(_PATIENCE)
            with suppress(NotFound):  # it was done, and only the answer was lost
                step()
    except KimchiError as error:
        host.note(f"{left}: {error}")
        if failed is not None:
            failed()


_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back until a step and its undo are one; only a process's main thread gets any.

    Not by the thread's mask: the kernel would give the signal to another thread, and Python still raise it in this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
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
        for arrived in held:
            signal.raise_signal(arrived)
