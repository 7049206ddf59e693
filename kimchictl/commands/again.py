"""A libvirtd that restarts in the middle: what was asked is asked once more, on a new connection.

Looking, planning, and what leads to a state, as `vm start` and `vm edit` do, may be done twice as a whole. What may not
is either looked for first by those who do it (virt.domain.devices), or stands in virt.connection.once: then the error
says how things are.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from kimchictl.errors import Disconnected, HostError, KimchiError, NotFound, Unconfirmed

if TYPE_CHECKING:
    from kimchictl.app import App

Result = TypeVar("Result")

_PATIENCE = 5.0  # seconds for it to come back


def again(app: "App", ask: Callable[[], Result], vm: str | None = None) -> Result:
    """`ask()`; once more where the connection broke under it, and then whatever it raises.

    What must not be done twice raises Unconfirmed instead, with the state in which `vm` is now.
    """
    try:
        return ask()
    except KimchiError as error:
        if not isinstance(error, Disconnected) and app.still_connected():
            raise
        if isinstance(error, Unconfirmed):
            raise _as_it_is(app, error, vm) from None
        app.note(f"{error}: asking once more")
    _reconnect(app)
    try:
        return ask()
    except Unconfirmed as error:
        raise _as_it_is(app, error, vm) from None


def whole(app: "App", vm: str, change: Callable[[], Result], said: Callable[[Result], str]) -> Result:
    """`again` of a change to `vm` that is not left half done: a Ctrl-C waits for it, and for what is said of it."""
    from kimchictl.locks.signals import uninterrupted

    with uninterrupted():
        result = again(app, change, vm)
        app.note(said(result))
    return result


def _as_it_is(app: "App", error: Unconfirmed, vm: str | None) -> Unconfirmed:
    """`error` with what can be known of `vm`, and where to look."""
    from shlex import quote

    if vm is None:
        return error
    known = "how it is now is not known"
    with suppress(HostError):
        _reconnect(app)
        known = _state(app, vm)
    return Unconfirmed(f"{error}; {known}", f"see whether it was done: kimchictl vm show {quote(vm)}")


def _state(app: "App", vm: str) -> str:
    from kimchictl.virt.domain import domains

    try:
        state = domains.state_of(app.host, domains.find_domain(app.host, vm))
    except NotFound:
        return f"vm {vm!r} does not exist now"
    return f"vm {vm!r} is {state} now"


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
