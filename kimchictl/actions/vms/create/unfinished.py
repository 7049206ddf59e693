"""VMs that were being made when their process was killed: nothing undid its steps, so the next one does.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with the VM's `name`, and each volume from before
                               it is made. Where more is to come once the VM is defined, a start or its firmware's
                               variables, also `domain`: its UUID from before it is defined, and how all of it looks.
                               `secrets` is the UUID for which secrets are made, if there are to be some.
                               Removed when the VM is finished or all was taken back

Swept is only what is provably ours and that nothing uses: see kimchictl.actions.storage.unfinished. A VM goes when the
next one is to have its name, and while it is off and looks as it did when it was defined: it never ran, and nobody has
made it theirs. Any other that was defined is whole, and stays.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.host.notes import find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.actions.storage.unfinished import in_use, is_ours, is_sound
from kimchictl.actions.vms.carry_nvram import sweep_carried
from kimchictl.errors import KimchiError, NotFound
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.undefine import belongings_of, undefine_vm
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(slots=True)
class Note:
    """What is noted of one VM that is being made; without a `path` nothing is.

    `goes_on`: it is not finished when it is defined.
    """

    path: str | None
    host: "Host"
    name: str
    goes_on: bool = False
    volumes: list[dict[str, Any]] = field(default_factory=list)
    domain: dict[str, Any] | None = None
    secrets: str | None = None
    kept: bool = False

    def begin(self, uuid: str) -> None:
        """Before a secret is made for the VM that will have that UUID."""
        self.secrets = uuid
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

    def defining(self, uuid: str) -> None:
        """Before the VM is defined, with all of its volumes made."""
        if self.path is not None and self.goes_on:
            self.domain = {"uuid": uuid, "looks": volumes_look(self.host, _places(self.volumes))}
            self._write()

    def defined(self) -> None:
        """It is; whoever changes it from now on has made it theirs."""
        if self.domain is not None:
            self.domain["looks"] |= _definition_looks(self.host, domains.find_domain(self.host, self.domain["uuid"]))
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
        record = {"name": self.name, "volumes": self.volumes, "domain": self.domain, "secrets": self.secrets}
        write_note(self.path, self.host.uri, record)


def note_for(state_dir: str | None, host: "Host", name: str, goes_on: bool = False) -> Note:
    """A note of the VM `name`, which is written with its first volume or secret, or before it is defined."""
    path = new_note(state_dir) if state_dir and not host.is_test else None
    return Note(path, host, name, goes_on)


def volumes_look(host: "Host", places: Iterable[tuple[str, str]]) -> dict[str, str]:
    """How each volume (pool, name) looks on its host: a guest that writes to it changes that. Raises NotFound."""
    looks = {}
    for pool, name in places:
        volume, file = volumes.find_both(host, pool, name)
        looks[f"pool:{pool}/{name}"] = f"{volume.allocation} {file.size} {file.mtime}"
    return looks


def _places(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(entry["pool"], entry["volume"]) for entry in entries]


def _definition_looks(host: "Host", domain: Any) -> dict[str, str]:
    with asking(f"vm {domain.name()!r}"):
        document = domain.XMLDesc(host.lib.VIR_DOMAIN_XML_INACTIVE)
    return {"definition": hashlib.sha256(document.encode()).hexdigest()}


def sweep(host: "Host", state_dir: str, is_wanted: Callable[[str], bool]) -> list[str]:
    """Take back what killed processes left on this host; a sentence for each thing. Whoever is alive is left alone.

    A VM that they defined goes if its name `is_wanted`; else it is left with all that is its, for another time.
    """
    said = sweep_carried(host, state_dir)
    for path, record in find_notes(state_dir, host.uri):
        if not _is_sound(record) or not is_abandoned(record):
            continue
        try:
            if _is_untouched(host, record):
                if not is_wanted(record["name"]):
                    continue
                undefine_vm(host, record["domain"]["uuid"])
                said.append(f"vm {record['name']!r} deleted: its making was killed, and it never ran")
            said += _taken_back(host, record)
            remove_note(path)
        except KimchiError as error:
            said.append(f"vm {record['name']!r} was not finished, and what is left of it cannot be looked at: {error}")
    return said


def _is_sound(record: dict[str, Any]) -> bool:
    """Whether it is a note of a VM, as they are written here."""
    entries, domain = record.get("volumes"), record.get("domain")
    sound = isinstance(record.get("name"), str) and isinstance(entries, list) and all(map(is_sound, entries))
    if isinstance(domain, dict):
        return sound and isinstance(domain.get("uuid"), str) and isinstance(domain.get("looks"), dict)
    return sound and domain is None


def _is_untouched(host: "Host", record: dict[str, Any]) -> bool:
    """Whether its VM was defined, and is as it was then."""
    noted = record.get("domain")
    if noted is None:
        return False
    try:
        domain = domains.find_domain(host, noted["uuid"])
        now = {**volumes_look(host, _places(record["volumes"])), **_definition_looks(host, domain)}
    except NotFound:
        return False
    if domains.state_of(host, domain) != "shutoff" or any(now.get(key) != look for key, look in noted["looks"].items()):
        return False
    has = belongings_of(host, domain)
    with asking(f"vm {record['name']!r}"):
        return not (has.snapshots or has.checkpoints or has.saved or domain.autostart())


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
            again = f"kimchictl volume delete {quote(found.pool)} {quote(found.name)}"
            yield f"{place} may be left from vm {name!r}, which was killed; it is not certain, and stays: {again}"
            continue
        volumes.delete_volume(host, found.pool, found.name)
        yield f"{place} deleted: it was left from vm {name!r}, whose making was killed"
    if isinstance(record.get("secrets"), str):
        yield from _secrets(host, name, record["secrets"])


def _secrets(host: "Host", name: str, uuid: str) -> Iterator[str]:
    """The login of an image's server, if the VM it was for never came to be."""
    from kimchictl.virt.secrets import forget_secret, unneeded_secrets

    for usage in unneeded_secrets(host, uuid):
        forget_secret(host, usage)
        yield f"secret {usage!r} deleted: it was left from vm {name!r}, whose making was killed"
