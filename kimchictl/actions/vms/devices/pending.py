"""What of a running VM will be otherwise at its next start: its devices as they are, beside those of its definition."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Device = TypeVar("Device")

ATTACH, DETACH, CHANGE = "attach", "detach", "change"


def compared(
    now: Sequence[Device],
    later: Sequence[Device],
    name: Callable[[Device], str | None],
    same: Callable[[Device], object],
) -> Iterator[tuple[Device, Device | None, str | None]]:
    """(device, what it will be, what is pending) of each that is there now, then of those that only will be there.

    `name` tells which are one device, `same` what makes a difference. Pending is attach for what comes with the next
    start, detach for what goes then, change for what is another one then; None for what stays.
    """
    coming = {name(device): device for device in later}
    for device in now:
        then = coming.pop(name(device), None)
        if then is None:
            yield device, None, DETACH
        else:
            yield device, then, None if same(device) == same(then) else CHANGE
    yield from ((device, device, ATTACH) for device in coming.values())
