"""The names of VMs that are about to be made, so that rows made side by side do not all take the lowest free numbers.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with `names`, those that its process will give.
                               Removed when its VMs are made, or could not be; by the next one where it was killed
    STATE/creating.lock        guards the choice of names: notes are read and one is written under it, nothing else

A name is claimed first and looked for on the host then: whoever had claimed it before is either still seen to do so,
or has made the VM by that time. Of users and hosts that keep other notes nothing is known: what they are quicker to
take has a next number.
"""

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from kimchictl import files
from kimchictl.actions.host.notes import DIRECTORY, find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.errors import Failed
from kimchictl.locks import Lock
from kimchictl.virt.domain import domains

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


class Claim:
    """The names that new VMs get, as a context: nobody else's row takes them before its end.

    `called` is the one name, or what makes a name of a number. Without a `state_dir`, and on libvirt's test driver,
    they are chosen and not noted.
    """

    def __init__(self, host: "Host", called: str | Callable[[int], str], state_dir: str | None) -> None:
        self._host, self._called = host, called
        self._path = new_note(state_dir) if state_dir and not host.is_test else None
        self._state_dir = state_dir or ""
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._path is not None:
            with suppress(Failed):  # it is one of a process that is gone, soon
                remove_note(self._path)

    def take(self, count: int) -> tuple[str, ...]:
        """`count` names more: the next numbers that are free, or the one name. Raises Locked, Failed."""
        called = self._called
        if isinstance(called, str):
            return self._noted(lambda _: [called])
        found: tuple[str, ...] = ()
        taken = domains.names(self._host)
        while len(found) < count:
            found += self._noted(partial(_free, called, taken, count - len(found)))
            taken = domains.names(self._host)  # one may have been made before it was claimed
            found = tuple(name for name in found if name not in taken)
        return found

    def _noted(self, choose: Callable[[Collection[str]], list[str]]) -> tuple[str, ...]:
        """What is chosen where these names are claimed, which is claimed from then on."""
        if self._path is None:
            chosen = choose(self._names)
            self._names += chosen
            return tuple(chosen)
        files.make_directory(os.path.dirname(self._path))
        with Lock(f"{self._state_dir}/{DIRECTORY}.lock", "the choice of names for VMs", self._host.lock_timeout):
            chosen = choose(_claimed(self._state_dir, self._host))
            self._names += chosen
            write_note(self._path, self._host.uri, {"names": self._names})
        return tuple(chosen)


def _free(called: Callable[[int], str], taken: Collection[str], count: int, claimed: Collection[str]) -> list[str]:
    names = map(called, range(1, len(taken) + len(claimed) + count + 1))
    return [name for name in names if name not in taken and name not in claimed][:count]


def _claimed(state_dir: str, host: "Host") -> set[str]:
    """What processes that may live, this one too, are about to make on this host, or are at making."""
    claimed: set[str] = set()
    for path, record in find_notes(state_dir, host.uri):
        names = record.get("names", [record.get("name")])
        if not is_abandoned(record):
            claimed.update(name for name in names if isinstance(name, str))  # an odd note claims nothing
        elif "names" in record:
            remove_note(path)
    return claimed
