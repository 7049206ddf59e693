"""VMs that were being made when their process was killed: nothing undid its steps, so the next one does.

    STATE/creating/HEX.json    a VM that is being made: host, name, process, and each volume from before it is made;
                               0600; removed when the VM is finished or all was taken back

Swept is only what is provably ours and that nothing uses: a volume noted as made, or one that was being made then, has
the size that it was to have, is as old as the note, and is empty. A VM that was defined is whole, and stays.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from kimchictl import files
from kimchictl.actions.host.processes import can_tell, identity, is_alive
from kimchictl.actions.vms.vm_usage import children_of, find_users
from kimchictl.errors import KimchiError, NotFound
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

DIRECTORY = "creating"
_LARGEST = 1 << 20
_EMPTY = 1 << 20  # bytes that an image without data may take
_WRITTEN = 60.0  # seconds in which a note is written, or never
_AGE = 120.0  # seconds that the host may take to make a volume


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

    def not_made(self) -> None:
        """It was not: what has its name is somebody else's."""
        self.volumes.pop()
        self._write()

    def keep(self) -> None:
        """Something could not be taken back, as libvirtd is gone: the next one shall try."""
        self.kept = True

    def done(self) -> None:
        """The VM is whole, or all of it was taken back."""
        if self.path is not None and not self.kept and os.path.exists(self.path):
            files.remove_file(self.path)

    def _write(self) -> None:
        if self.path is None:
            return
        record = {
            "host": self.host, "name": self.name, "process": identity(os.getpid()), "volumes": self.volumes
        }  # fmt: skip
        files.make_directory(os.path.dirname(self.path))
        files.replace_file(self.path, json.dumps(record).encode(), 0o600)


def note_for(state_dir: str | None, host: "Host", name: str) -> Note:
    """A note of the VM `name`, which is written with its first volume or secret."""
    path = os.path.join(state_dir, DIRECTORY, f"{token_hex(8)}.json") if state_dir and not host.is_test else None
    return Note(path, host.uri, name)


def sweep(host: "Host", state_dir: str) -> list[str]:
    """Take back what killed processes left on this host; a sentence for each thing. Whoever is alive is left alone."""
    said: list[str] = []
    for path, record in _dead(state_dir, host.uri):
        try:
            said += _taken_back(host, record)
            files.remove_file(path)
        except KimchiError as error:
            said.append(f"vm {record['name']!r} was not finished, and what is left of it cannot be looked at: {error}")
    return said


def _dead(state_dir: str, uri: str) -> Iterator[tuple[str, dict[str, Any]]]:
    directory = os.path.join(state_dir, DIRECTORY)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        path = os.path.join(directory, name)
        if name.startswith(files.TEMPORARY.decode()):
            _forget_old(path)
        record = _read(path) if name.endswith(".json") else None
        if record and record["host"] == uri and can_tell(record["process"]) and not is_alive(record["process"]):
            yield path, record


def _forget_old(path: str) -> None:
    """A note that was not written to its end is of something that was not begun."""
    with suppress(OSError):
        if time.time() - os.stat(path).st_mtime > _WRITTEN:
            os.unlink(path)


def _read(path: str) -> dict[str, Any] | None:
    """A note that can be read; one that cannot proves nothing."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_LARGEST))
        good = isinstance(record["name"], str) and isinstance(record["process"], dict) and "host" in record
        known = all({"pool", "volume", "capacity", "seed", "at", "made"} <= entry.keys() for entry in record["volumes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if good and known else None


def _taken_back(host: "Host", record: dict[str, Any]) -> Iterator[str]:
    name = record["name"]
    for entry in record["volumes"]:
        place = f"pool:{entry['pool']}/{entry['volume']}"
        try:
            handle = volumes.find_handle(host, entry["pool"], entry["volume"])
        except NotFound:
            continue
        found, file = volumes.read_both(handle, entry["pool"])
        users = find_users(host).of(found)
        others = children_of(found.path or "", volumes.list_volumes(host, found.pool))
        if users or others:
            continue  # the VM was defined after all, or somebody has taken it into use
        if not _is_ours(entry, found, file):
            yield f"{place} may be left from vm {name!r}, whose making was killed; it is not certain, and stays"
            continue
        volumes.delete_volume(host, found.pool, found.name)
        yield f"{place} deleted: it was left from vm {name!r}, whose making was killed"
    yield from _secrets(host, name)


def _is_ours(entry: dict[str, Any], found: volumes.Volume, file: volumes.VolumeFile) -> bool:
    if found.capacity != entry["capacity"]:
        return False
    if entry["made"]:
        return True
    young = file.mtime is not None and -2 <= file.mtime - entry["at"] <= _AGE
    return young and (entry["seed"] or (found.allocation or 0) <= _EMPTY)


def _secrets(host: "Host", name: str) -> Iterator[str]:
    """The login of an image's server, if the VM it was for never came to be."""
    from kimchictl.virt.secrets import forget_secret, secrets_of

    if name in domains.names(host):
        return
    for usage in secrets_of(host, name):
        forget_secret(host, usage)
        yield f"secret {usage!r} deleted: it was left from vm {name!r}, whose making was killed"
