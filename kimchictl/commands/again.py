"""A libvirtd that restarts in the middle: what was asked is asked once more, on a new connection."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from kimchictl.errors import Disconnected, HostError, KimchiError

if TYPE_CHECKING:
    from kimchictl.app import App

Result = TypeVar("Result")

_PATIENCE = 5.0  # seconds for it to come back


def again(app: "App", ask: Callable[[], Result]) -> Result:
    """`ask()`; once more where the connection broke under it, and then whatever it raises.

    For what may be done twice: looking, and bringing a VM into a state.
    """
    try:
        return ask()
    except KimchiError as error:
        if not isinstance(error, Disconnected) and app.still_connected():
            raise
        app.note(f"{error}: asking once more")
    _reconnect(app)
    return ask()


def _reconnect(app: "App") -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            app.reconnect()
            return
        except HostError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
