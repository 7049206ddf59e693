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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back until a step and its undo are one; only a process's main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
