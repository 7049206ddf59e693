"""The variables of a UEFI guest's firmware, carried to another name: of a clone, or of a VM that is renamed.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with `carried`: each file that is in the way if no
                               VM has it when all is over. The copy, with its `size`, when it was begun (`at`), and
                               whether it was `made`; and of a rename the original, with how it `looks`

The whole copy is there before a VM looks at it, and the original until none does any more: a kill at any moment leaves
every VM with a whole file or with none, and one that nobody has. Which one that is tells a look at the VMs, so that
success, failure and a kill end alike.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.host.notes import find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.actions.vms.undo import take_back
from kimchictl.errors import KimchiError, WrongState
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.nvram import (
    find_variables,
    looks_of,
    nvram_of,
    nvram_users,
    own_path,
    own_paths,
    read_variables,
    remove_variables,
    write_variables,
)
from kimchictl.virt.storage.volumes import VolumeFile

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_AGE = 120.0  # seconds that the host may take to make a file
_STAYS = "{} may be left from a VM that was cloned or renamed; it is not certain, and stays"


@dataclass(slots=True)
class _Note:
    """What is noted of files that are carried for the VM `name`; without a `path` nothing is."""

    path: str | None
    host: "Host"
    name: str
    files: list[dict[str, Any]]

    def write(self) -> None:
        if self.path is not None:
            write_note(self.path, self.host.uri, {"name": self.name, "carried": self.files})

    def made(self) -> None:
        """The copy is there, and it was this process that made it."""
        self.files[0]["made"] = True
        self.write()

    def settle(self) -> None:
        """What no VM has goes."""
        for sentence in (_STAYS.format(entry["path"]) for entry in self.files if _settled(self.host, entry) is False):
            self.host.note(sentence)
        if self.path is not None:
            remove_note(self.path)


@contextmanager
def copied(host: "Host", source: str, clone: str, state_dir: str | None) -> Iterator[None]:
    """The VM `clone`, which is made in this context, has a copy of the variables of `source`; if it is not made, none.

    Raises WrongState where a file of its name is there already, and whatever keeps them from being copied.
    """
    said = domains.describe(host, source)
    if not said.uefi:
        yield
        return
    require_no_variables(host, clone)
    old = nvram_of(host, source, said)
    with _carried(host, old, own_path(host, clone, old), clone, state_dir):
        yield


@contextmanager
def moved(host: "Host", name: str, new: str, state_dir: str | None) -> Iterator[None]:
    """The VM `name`, which gets its `new` one in this context, has its variables there, too. Raises like `copied`.

    A file that its definition names, as it always does since libvirt 9.2, stays the one that it has.
    """
    said = domains.describe(host, name)
    if not said.uefi or said.nvram:
        yield
        return
    require_no_variables(host, new)
    with _carried(host, own_path(host, name), own_path(host, new), new, state_dir, moves=True):
        yield


@contextmanager
def _carried(
    host: "Host", old: str | None, new: str | None, name: str, state_dir: str | None, moves: bool = False
) -> Iterator[None]:
    if old is None or new is None:
        if not host.is_test:
            host.note(f"vm {name!r} has no boot entries: where {host.uri} keeps firmware variables is not known")
        yield
        return
    variables = read_variables(host, old)
    if variables is None:  # it never ran
        yield
        return
    files: list[dict[str, Any]] = [{"path": new, "size": variables.size, "at": time.time(), "made": False}]
    files += [{"path": old, "looks": variables.looks}] if moves else []
    note = _Note(new_note(state_dir) if state_dir else None, host, name, files)
    note.write()
    try:
        with uninterrupted():
            write_variables(host, new, variables, note.made)
        yield
    finally:
        left = f"{new} may be left behind" if not moves else f"{new} or {old}, that of no VM, is left behind"
        take_back(host, left, note.settle)


def require_no_variables(host: "Host", name: str) -> None:
    """Raises WrongState where a file lies on the host that a VM of that name would take for its own."""
    if path := find_variables(host, name):
        raise _taken(host, name, path)


def look_for_variables(host: "Host", name: str) -> None:
    """The same, as far as can be seen from here: nothing is changed on the host."""
    if host.is_local and (path := next(filter(os.path.lexists, own_paths(host, name)), None)):
        raise _taken(host, name, path)


def _taken(host: "Host", name: str, path: str) -> WrongState:
    users = ", ".join(f"vm {user!r}" for user in sorted(nvram_users(host, path)))
    remove = f"; or, if nothing needs it any more, on its host: rm {quote(path)}"
    hint = f"choose another name{'' if users else remove}"
    return WrongState(f"{path} has firmware variables{' of ' + users if users else ''}, not those of vm {name!r}", hint)


# ---- what is left ----------------------------------------------------------------------------------------------------


def sweep_carried(host: "Host", state_dir: str) -> list[str]:
    """Delete what processes left that were killed while they carried a file; a sentence for each."""
    said: list[str] = []
    for path, record in find_notes(state_dir, host.uri):
        if not _is_sound(record) or not is_abandoned(record):
            continue
        try:
            for entry in record["carried"]:
                gone = _settled(host, entry)
                if gone is not None:
                    why = f"it was left from vm {record['name']!r}, whose clone or rename was killed"
                    said.append(f"{entry['path']} deleted: {why}" if gone else _STAYS.format(entry["path"]))
            remove_note(path)
        except KimchiError as error:
            said.append(f"what is left of the firmware variables of vm {record['name']!r} stays for now: {error}")
    return said


def _is_sound(record: dict[str, Any]) -> bool:
    """Whether it is a note like those that are written here."""
    files = record.get("carried")
    return isinstance(record.get("name"), str) and isinstance(files, list) and all(map(_is_entry, files))


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or not os.path.isabs(entry["path"]):
        return False
    copy = isinstance(entry.get("size"), int) and isinstance(entry.get("at"), int | float) and "made" in entry
    return copy or isinstance(entry.get("looks"), str)


def _settled(host: "Host", entry: dict[str, Any]) -> bool | None:
    """Whether the file of the `entry` is deleted: False where it may be another one; None if a VM has it, or it's gone.

    One of which only the name is a VM's is left, too: it may have had other firmware for a while.
    """
    path = entry["path"]
    if nvram_users(host, path) or any(path in own_paths(host, name) for name in domains.names(host)):
        return None
    return remove_variables(host, path, lambda file: _is_ours(entry, file))


def _is_ours(entry: dict[str, Any], file: VolumeFile) -> bool:
    """Whether a file is the one that the `entry` tells of."""
    if "looks" in entry:
        return bool(looks_of(file) == entry["looks"])
    size = file.size or 0
    young = file.mtime is not None and -2 <= file.mtime - entry["at"] <= _AGE
    return size <= entry["size"] if entry["made"] else young and not size
