"""Volumes that were being made when their process was killed: marked in lists, and taken back by the next verb.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with `verb` (upload, fetch, copy, attach) and
                               `volumes`, where one entry tells of one volume: pool, volume, capacity, seed, at, made;
                               with `looks` it goes only while nobody has written to it

Taken back is only what is provably ours and that nothing uses: a volume noted as made that has the size it was to have;
or one that was just being made, if it is as old as the note and empty.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.host.notes import find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.actions.storage.uses import look_around
from kimchictl.errors import Disconnected, InUse, Invalid, KimchiError, NotFound
from kimchictl.virt.storage import pools, volumes
from kimchictl.virt.storage.volumes import Volume, VolumeFile

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_EMPTY = 1 << 20  # bytes that an image without data may take
_AGE = 120.0  # seconds that the host may take to make a volume
_KEYS = {"pool", "volume", "capacity", "seed", "at", "made"}


@dataclass(slots=True)
class Note:
    """What is noted of one volume that is being made; without a `path` nothing is.

    With `grows` it has `capacity` bytes at its end and fewer before. `replaces`: it is whole, and about to be copied to
    the name of another, which goes before that.
    """

    path: str | None
    host: "Host"
    verb: str
    pool: str
    volume: str
    capacity: int | None
    grows: bool = False
    is_made: bool = False
    replaces: str | None = None
    looks: str | None = None

    def made_empty(self) -> None:
        """The same of one that holds nothing yet; whatever is written to it makes it somebody's."""
        self.looks = _looks(volumes.find_both(self.host, self.pool, self.volume)[1])
        self.made()

    def made(self) -> None:
        """The volume is there, and it was this process that made it."""
        self.is_made = True
        self.write()

    def whole(self, replaces: str) -> None:
        """It has all of its content, and must not be lost from now on unless there is a volume `replaces`."""
        self.replaces = replaces
        self.write()

    def write(self) -> None:
        """Keep it. Where that cannot be, the work goes on without."""
        if self.path is None:
            return
        entry = {"pool": self.pool, "volume": self.volume, "capacity": self.capacity, "seed": False, "at": time.time()}
        entry |= {"made": self.is_made, "grows": self.grows, "looks": self.looks}
        record = {"verb": self.verb, "replaces": self.replaces, "volumes": [entry]}
        try:
            write_note(self.path, self.host.uri, record)
        except KimchiError as error:
            self.host.note(f"if this {self.verb} is killed, nobody will know what is left of it: {error}")
            self.path = None

    def done(self) -> None:
        """The volume is whole, or gone."""
        if self.path is not None:
            remove_note(self.path)


@contextmanager
def noted(
    host: "Host", state_dir: str | None, verb: str, pool: str, volume: str, capacity: int | None, grows: bool = False
) -> Iterator[Note]:
    """A note for the time that `verb` makes `volume`; it stays where a half of it does, as the connection is gone."""
    path = new_note(state_dir) if state_dir is not None and not host.is_test else None
    note = Note(path, host, verb, pool, volume, capacity, grows)
    note.write()
    try:
        yield note
    except BaseException as error:
        refused = isinstance(error, KimchiError) and not isinstance(error, Disconnected)
        if (refused and not note.is_made) or _is_gone(host, pool, volume):
            note.done()
        raise
    note.done()


def note_copy(host: "Host", state_dir: str | None, copy: Volume, undo: ExitStack) -> Note:
    """A note of a copy that is whole, and of use only when all is `done`; it stays if `undo` leaves the copy."""
    path = new_note(state_dir) if state_dir is not None and not host.is_test else None
    note = Note(path, host, "copy", copy.pool, copy.name, copy.capacity, is_made=True)
    note.write()
    undo.callback(lambda: note.done() if _is_gone(host, copy.pool, copy.name) else None)
    return note


def _is_gone(host: "Host", pool: str, volume: str) -> bool:
    try:
        return volume not in volumes.names(host, pool)
    except KimchiError:
        return False


# ---- by others -------------------------------------------------------------------------------------------------------


def take_back(host: "Host", state_dir: str, pool: str, but: str | None = None) -> list[str]:
    """Delete what processes left in `pool` that are gone; a sentence for each thing. The volume `but` is left alone."""
    notes = {path: record for path, record in find_notes(state_dir, host.uri) if is_of_volumes(record)}
    said: list[str] = []
    # What is whole stands in for what is being copied from it, so that is looked at first.
    for path, record in sorted(notes.items(), key=lambda item: bool(item[1].get("replaces"))):
        if not is_abandoned(record) or any(of != pool or name == but for of, name in _names(record)):
            continue
        others = {name for other, each in notes.items() if other != path for name in _names(each)}
        try:
            if (missing := _missing(host, pool, record, others)) is not None:
                said += missing
                continue
            said += [*_taken_back(host, record, others)]
            remove_note(path)
            del notes[path]
        except KimchiError as error:
            said.append(f"what {_broken(record)} left in pool {pool!r} cannot be removed yet: {error}")
    return said


def take_back_everywhere(host: "Host", state_dir: str) -> list[str]:
    """The same in all pools that are active, for what does not know yet which it needs."""
    records = [record for _, record in find_notes(state_dir, host.uri) if is_of_volumes(record)]
    named = {pool for record in records for pool, _ in _names(record)}
    active = set(pools.names(host, active_only=True)) if named else set()
    return [said for pool in sorted(named & active) for said in take_back(host, state_dir, pool)]


def _missing(host: "Host", pool: str, record: dict[str, Any], others: set[tuple[str, str]]) -> list[str] | None:
    """What is to be said of a volume that must stay, as it is all there is of what it was to replace; else None."""
    replaces, (_, name) = record.get("replaces"), _names(record)[0]
    taken = volumes.names(host, pool) if isinstance(replaces, str) else set()
    if name not in taken:
        return None
    if (pool, replaces) in others:
        return []  # somebody is at it, or its half cannot be deleted yet
    if replaces in taken:
        return None
    words = f"kimchictl volume clone {quote(pool)} {quote(name)} {quote(str(replaces))}"
    return [f"pool:{pool}/{name} has all that was uploaded as pool:{pool}/{replaces}: {words}"]


def _taken_back(host: "Host", record: dict[str, Any], others: set[tuple[str, str]]) -> Iterator[str]:
    for entry in record["volumes"]:
        pool, name = entry["pool"], entry["volume"]
        if (pool, name) in others:
            continue  # somebody is at it again
        try:
            found, file = volumes.read_both(volumes.find_handle(host, pool, name), pool)
        except NotFound:
            continue
        if in_use(host, found):
            continue
        if not is_ours(entry, found, file):
            again = f"kimchictl volume delete {quote(pool)} {quote(name)}"
            yield f"pool:{pool}/{name} may be left from {_broken(record)}; it is not certain, and stays: {again}"
        else:
            volumes.delete_volume(host, pool, name)
            yield f"pool:{pool}/{name} deleted: it was left from {_broken(record)}"


def is_ours(entry: dict[str, Any], found: Volume, file: VolumeFile) -> bool:
    """Whether a volume is the one that the note's `entry` tells of. Its capacity may be what a header in it says."""
    capacity, size = entry["capacity"], file.size or 0
    grown = (entry["seed"] or entry.get("grows")) and type(capacity) is int and size <= capacity
    if capacity is not None and not grown and capacity not in (found.capacity, size):
        return False
    if entry.get("looks") not in (None, _looks(file)):
        return False
    if entry["made"]:
        return True
    young = file.mtime is not None and -2 <= file.mtime - entry["at"] <= _AGE
    return young and (entry["seed"] or (found.allocation or 0) <= _EMPTY)


def _looks(file: VolumeFile) -> str:
    """What changes with whatever is written to it."""
    return f"{file.size} {file.mtime}"


def in_use(host: "Host", found: Volume) -> bool:
    """Whether somebody has taken it into use all the same."""
    uses = look_around(host)
    return bool(uses.vms(found.path, f"pool:{found.pool}/{found.name}") or uses.children(found.path))


def marked(host: "Host", state_dir: str, listed: Iterable[Volume]) -> list[Volume]:
    """`listed`, with what is said of those that are not whole."""
    said: dict[tuple[str, str], str] = {}
    for _, record in find_notes(state_dir, host.uri):
        if is_of_volumes(record):
            text = f"left from {_broken(record)}" if is_abandoned(record) else _who(record)
            said.update(dict.fromkeys(_names(record), text))
    return [replace(each, unfinished=said.get((each.pool, each.name))) for each in listed] if said else list(listed)


def without_growing(host: "Host", state_dir: str, listed: Iterable[Volume]) -> list[Volume]:
    """`listed` without those that a process is still making."""
    growing = _growing(host, state_dir)
    return [each for each in listed if (each.pool, each.name) not in growing]


def require_finished(host: "Host", state_dir: str, volume: Volume) -> None:
    """Raises InUse, naming the process, while one is at making `volume`."""
    if who := _growing(host, state_dir).get((volume.pool, volume.name)):
        message = f"volume {volume.name!r} of pool {volume.pool!r} is not whole: {who}"
        raise InUse(message, "wait until it is done; kimchictl task list shows it")


def require_whole(host: "Host", state_dir: str, volume: Volume) -> None:
    """Raises InUse while a process is at making `volume`, Invalid for what one left that was killed."""
    require_finished(host, state_dir, volume)
    if left := marked(host, state_dir, [volume])[0].unfinished:
        message = f"volume {volume.name!r} of pool {volume.pool!r} is not whole: it is {left}"
        raise Invalid(message, f"kimchictl volume delete {quote(volume.pool)} {quote(volume.name)}, and make it anew")


def _growing(host: "Host", state_dir: str) -> dict[tuple[str, str], str]:
    """Who makes each volume that is being made."""
    notes = [record for _, record in find_notes(state_dir, host.uri) if is_of_volumes(record)]
    return {name: _who(record) for record in notes if not is_abandoned(record) for name in _names(record)}


def is_of_volumes(record: dict[str, Any]) -> bool:
    """Whether it is a note like those that are written here, and sound."""
    entries = record.get("volumes")
    return isinstance(record.get("verb"), str) and isinstance(entries, list) and all(map(is_sound, entries))


def is_sound(entry: Any) -> bool:
    """Whether what a note tells of one volume is as it is written here."""
    if not isinstance(entry, dict) or not entry.keys() >= _KEYS:
        return False
    named = isinstance(entry["pool"], str) and isinstance(entry["volume"], str)
    return named and isinstance(entry["at"], int | float)


def _names(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["pool"], entry["volume"]) for entry in record["volumes"]]


def _who(record: dict[str, Any]) -> str:
    return f"{record['verb']} by process {record['process'].get('pid')}"


def _broken(record: dict[str, Any]) -> str:
    return f"{'an' if record['verb'][:1] in 'aeiou' else 'a'} {record['verb']} that broke off"
