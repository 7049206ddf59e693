"""Steps that know how to undo themselves: what was made is taken back when a later step fails, or at a Ctrl-C."""

from collections.abc import Callable
from contextlib import suppress
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
