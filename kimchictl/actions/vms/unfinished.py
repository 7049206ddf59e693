"""VMs that were being made when their process was killed: nothing undid its steps, so the next one does.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with the VM's name, and each volume from before it
                               is made. Removed when the VM is finished or all was taken back

Swept is only what is provably ours and that nothing uses: see kimchictl.actions.storage.unfinished. A VM that was
defined is whole, and stays.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kimchictl.actions.host.notes import find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.actions.storage.unfinished import in_use, is_ours, is_sound
from kimchictl.errors import KimchiError, NotFound
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(slots=True)
class Note:
    """What is noted of one VM that is being made; without a `path` nothing is."""

    path: str | None
    host: str
    name: str
    volumes: list[dict[str, Any]] = field(default_factory=list)
    kept: bool = False

    def begin(self) -> None:
        """Before a secret is made, whose usage names the VM."""
        self._write()

    def making(self, pool: str, volume: str, capacity: int, seed: bool = False) -> None:
        """Before a volume is made."""
        entry = {"pool": pool, "volume": volume, "capacity": capacity, "seed": seed, "at": time.time(), "made": False}
        self.volumes.append(entry)
        self._write()

    def made(self) -> None:
        """The last one is there, and it was this process that made it."""
        self.volumes[-1]["made"] = True
        self._write()

    def has(self, pool: str, volume: str, capacity: int | None) -> None:
        """A volume is there, and it was this process that made it."""
        self.making(pool, volume, capacity or 0)
        self.made()

    def not_made(self) -> None:
        """It was not: what has its name is somebody else's."""
        self.volumes.pop()
        self._write()

    def keep(self) -> None:
        """Something could not be taken back, as libvirtd is gone: the next one shall try."""
        self.kept = True

    def done(self) -> None:
        """The VM is whole, or all of it was taken back."""
        if self.path is not None and not self.kept:
            remove_note(self.path)

    def _write(self) -> None:
        if self.path is None:
            return
        write_note(self.path, self.host, {"name": self.name, "volumes": self.volumes})


def note_for(state_dir: str | None, host: "Host", name: str) -> Note:
    """A note of the VM `name`, which is written with its first volume or secret."""
    path = new_note(state_dir) if state_dir and not host.is_test else None
    return Note(path, host.uri, name)


def sweep(host: "Host", state_dir: str) -> list[str]:
    """Take back what killed processes left on this host; a sentence for each thing. Whoever is alive is left alone."""
    said: list[str] = []
    for path, record in find_notes(state_dir, host.uri):
        if not _is_sound(record) or not is_abandoned(record):
            continue
        try:
            said += _taken_back(host, record)
            remove_note(path)
        except KimchiError as error:
            said.append(f"vm {record['name']!r} was not finished, and what is left of it cannot be looked at: {error}")
    return said


def _is_sound(record: dict[str, Any]) -> bool:
    """Whether it is a note of a VM, as they are written here."""
    entries = record.get("volumes")
    return isinstance(record.get("name"), str) and isinstance(entries, list) and all(map(is_sound, entries))


def _taken_back(host: "Host", record: dict[str, Any]) -> Iterator[str]:
    name = record["name"]
    for entry in record["volumes"]:
        place = f"pool:{entry['pool']}/{entry['volume']}"
        try:
            handle = volumes.find_handle(host, entry["pool"], entry["volume"])
        except NotFound:
            continue
        found, file = volumes.read_both(handle, entry["pool"])
        if in_use(host, found):
            continue  # the VM was defined after all, or somebody has taken it into use
        if not is_ours(entry, found, file):
            yield f"{place} may be left from vm {name!r}, whose making was killed; it is not certain, and stays"
            continue
        volumes.delete_volume(host, found.pool, found.name)
        yield f"{place} deleted: it was left from vm {name!r}, whose making was killed"
    yield from _secrets(host, name)


def _secrets(host: "Host", name: str) -> Iterator[str]:
    """The login of an image's server, if the VM it was for never came to be."""
    from kimchictl.virt.secrets import forget_secret, secrets_of

    if name in domains.names(host):
        return
    for usage in secrets_of(host, name):
        forget_secret(host, usage)
        yield f"secret {usage!r} deleted: it was left from vm {name!r}, whose making was killed"
