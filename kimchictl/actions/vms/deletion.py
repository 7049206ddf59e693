"""What is left of a VM when its definition is gone, and nobody else knows any more what was to go with it.

    STATE/creating/HEX.json    see kimchictl.actions.host.notes; here with `deletes`, the VM's name, its `uuid`, and
                               what is to go with it: `files`, each with pool, volume, size, mtime, and `secrets`.
                               Written before the VM is undefined, removed when all is gone, or was said to stay

A volume goes only while its file is what it was when the VM was off for the last time, and nothing uses it. What a
killed process left is finished by the next `vm delete`, `create` or `clone`; where its VM is still there, nothing is.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.host.notes import find_notes, is_abandoned, new_note, remove_note, write_note
from kimchictl.actions.storage.uses import Templates, Uses, look_around
from kimchictl.actions.vms.bill import Bill, needing, unseen
from kimchictl.errors import Disconnected, Failed, HostError, InUse, KimchiError, NotFound, WrongState
from kimchictl.virt import secrets
from kimchictl.virt.connection import asking
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class LeftFile:
    """A volume that is to go, and its file as it was; None: it has none, or nobody looked."""

    pool: str
    volume: str
    size: int | None = None
    mtime: float | None = None

    def __str__(self) -> str:
        return f"pool:{self.pool}/{self.volume}"


@dataclass(slots=True)
class Deletion:
    """The deletion of one VM, as far as it has come; `path` is that of its note, None without any.

    `asked`: libvirt was asked to undefine the VM, perhaps without an answer; `undefined`: it is gone.
    """

    bill: Bill
    path: str | None
    files: list[LeftFile]
    secrets: tuple[str, ...] = ()
    begun: bool = False
    asked: bool = False
    undefined: bool = False

    def begin(self, host: "Host") -> None:
        """Note what is to go. Where that cannot be, the work goes on without."""
        self.begun = True
        if self.path is None:
            return
        bill, listed = self.bill, list(map(asdict, self.files))
        record = {"deletes": bill.name, "uuid": bill.uuid, "files": listed, "secrets": list(self.secrets)}
        try:
            write_note(self.path, host.uri, record)
        except KimchiError as error:
            host.note(f"if this deletion is killed, nobody will know what is left of it: {error}")
            self.path = None

    def done(self) -> None:
        """All is gone, or was said to stay; or nothing was done."""
        self.begun = False
        if self.path is not None:
            remove_note(self.path)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Where the connection is lost for good, say with the error what is left, and what finishes it."""
        try:
            yield
        except HostError as error:
            if not self.begun:
                raise
            name = self.bill.name
            known = f"vm {name!r} is deleted" if self.undefined else f"whether vm {name!r} is deleted is not known"
            files = f", {', '.join(map(str, self.files))} not yet" if self.files else ""
            words = [f"kimchictl volume delete {quote(each.pool)} {quote(each.volume)}" for each in self.files]
            again = f"kimchictl vm delete {quote(name)} --missing-ok finishes it"
            hint = again if self.path is not None or not self.undefined else "; ".join(words)
            raise type(error)(f"{known}{files}: {error}", hint or None) from None


def deletion_of(host: "Host", bill: Bill, state_dir: str | None) -> Deletion:
    """The deletion that does what `bill`, which was made just now, says."""
    return Deletion(bill, new_note(state_dir) if state_dir and not host.is_test else None, files_now(host, bill))


def files_now(host: "Host", bill: Bill) -> list[LeftFile]:
    """The volumes that go with the VM, and how their files look now."""
    files = []
    for going in bill.goes:
        if going.pool and going.volume:
            with suppress(NotFound):  # somebody else was quicker
                files.append(_look_at(host, going.pool, going.volume))
    return files


def _look_at(host: "Host", pool: str, volume: str) -> LeftFile:
    found, file = volumes.find_both(host, pool, volume)
    if found.type != "file":
        return LeftFile(pool, volume)  # udev touches a device's node when somebody has written to it
    return LeftFile(pool, volume, file.size, file.mtime)


def delete_files(host: "Host", files: Iterable[LeftFile], templates: Templates) -> Iterator[KimchiError]:
    """Delete them; for each that stays, why. Raises Disconnected."""
    left = list(files)
    if not left:
        return
    uses = look_around(host, templates)
    for file in left:
        try:
            _delete(host, file, uses)
        except KimchiError as error:
            raise_if_broken(host, error)
            yield error


def raise_if_broken(host: "Host", error: KimchiError) -> None:
    """Raises `error` where it is the connection that is to blame."""
    if isinstance(error, Disconnected) or not host.is_alive:
        raise error


def _delete(host: "Host", file: LeftFile, uses: Uses) -> None:
    """Raises InUse for what somebody uses by now, or that is another file by now, WrongState where nobody can tell."""
    words = f"kimchictl volume delete {quote(file.pool)} {quote(file.volume)}"
    with suppress(NotFound):  # somebody else was quicker
        found, now = uses.find(str(file)), _look_at(host, file.pool, file.volume)
        if found is None or now != file:
            raise InUse(f"{file} has changed since, and stays", words)
        if why := needing(found):
            raise InUse(f"{file} stays: {why}")
        if why := unseen(uses):
            raise WrongState(f"{file} stays: {why}", words)
        volumes.delete_volume(host, file.pool, file.volume)


# ---- by others -------------------------------------------------------------------------------------------------------


def finish_deletions(host: "Host", state_dir: str, templates: Callable[[], Templates]) -> list[str]:
    """Finish what killed processes began on this host: a sentence for each thing. Whoever is alive is left alone."""
    said: list[str] = []
    for path, record in find_notes(state_dir, host.uri):
        if not is_abandoned(record) or (files := _files_in(record)) is None:
            continue
        try:
            state = _state(host, record["uuid"])
            if state != "transient":  # its disks are its own until it is off
                said += [] if state else _finished(host, record, files, templates())
                remove_note(path)
        except KimchiError as error:
            said.append(f"vm {record['deletes']!r} was deleted, and what is left of it cannot be looked at: {error}")
    return said


def _files_in(record: dict[str, Any]) -> list[LeftFile] | None:
    """The files that a note of a deletion names; None for any other note."""
    listed, usages = record.get("files"), record.get("secrets")
    named = all(isinstance(record.get(key), str) for key in ("deletes", "uuid"))
    if not named or not isinstance(listed, list) or not isinstance(usages, list):
        return None
    try:
        files = [LeftFile(**each) for each in listed]
    except TypeError:
        return None
    sound = all(isinstance(each.pool, str) and isinstance(each.volume, str) for each in files)
    return files if sound and all(isinstance(usage, str) for usage in usages) else None


def _state(host: "Host", uuid: str) -> str | None:
    """Whether the VM with that UUID is "persistent" or "transient"; None if it is gone."""
    try:
        domain = domains.find_domain(host, uuid)
        with asking(f"vm {domain.name()!r}"):
            return "persistent" if domain.isPersistent() else "transient"
    except NotFound:
        return None


def _finished(host: "Host", record: dict[str, Any], files: list[LeftFile], templates: Templates) -> Iterator[str]:
    whose = f"vm {record['deletes']!r}, whose deletion was killed"
    there = [file for file in files if _is_there(host, file)]
    certain = [file for file in there if file.mtime is not None]
    for file in there:
        if file not in certain:
            again = f"kimchictl volume delete {quote(file.pool)} {quote(file.volume)}"
            yield f"{file} may be left from {whose}; it is not certain, and stays: {again}"
    for error in delete_files(host, certain, templates):
        yield f"left from {whose}: {error}" + (f": {error.hint}" if error.hint else "")
    for file in certain:
        if not _is_there(host, file):
            yield f"{file} deleted: it was left from {whose}"
    for usage in secrets.unneeded_secrets(host, record["uuid"], record["secrets"]):
        secrets.forget_secret(host, usage)
        yield f"secret {usage!r} deleted: it was left from {whose}"


def _is_there(host: "Host", file: LeftFile) -> bool:
    with suppress(NotFound):
        return file.volume in volumes.names(host, file.pool)
    return False


def raise_left(name: str, left: list[KimchiError]) -> None:
    """Raises Failed for what is `left` of the VM."""
    hints = "; ".join(dict.fromkeys(error.hint for error in left if error.hint))
    if left:
        message = f"vm {name!r} is deleted, but not all that was its own: {'; '.join(map(str, left))}"
        raise Failed(message, hints or None)
