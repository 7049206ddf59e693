"""A snapshot of a domain that is taken, once: what keeps libvirt from it, and what a restart of libvirtd leaves."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from shlex import quote
from typing import Any

from kimchictl.errors import Exists, Invalid, KimchiError, WrongState
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.domainread import Description, read_domain
from kimchictl.virt.domain.domains import find_domain, state_of
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.snapshots import Snapshot, list_snapshots, plugged_vcpus, read_snapshot
from kimchictl.virt.domain.surely import surely


def create_snapshot(
    host: Host, name: str, title: str | None, description: str | None, held: Callable[[], Mapping[str, str]]
) -> Snapshot:
    """Take one, of the memory too where it runs. Raises Exists, WrongState with why it cannot be.

    `held` tells the names of all that its disks hold, each with the file, of which libvirt may not know: it would take
    a second one of that name, and go back to the first; or qemu would overwrite that.
    Where libvirtd restarts under it, it is looked for, and taken once more if it is not there.
    """
    there = list_snapshots(host, name)
    was = state_of(host, find_domain(host, name))
    _require_possible(host, name, title, there, was)
    known, in_disks = {each.name for each in there}, held()
    title = title or _free_name(known | in_disks.keys())
    _require_not_held(name, title, in_disks)
    root = xml.Element("domainsnapshot")
    xml.add(root, "name", title)
    if description:
        xml.add(root, "description", description)
    document = xml.serialize(root)

    def made() -> Snapshot | None:
        _require_still(host, name, was)
        found = next((each for each in list_snapshots(host, name) if each.name == title), None)
        if found is None and was not in ACTIVE:
            _require_not_held(name, title, held())  # half taken; of a guest that runs qemu replaces it
        return found

    def take() -> Snapshot:
        with asking(f"vm {name!r}: the snapshot cannot be taken"):
            return read_snapshot(find_domain(host, name).snapshotCreateXML(document, 0).getXMLDesc(0), True)

    return surely(host, name, f"snapshot {title!r}", take, made)


def _require_possible(host: Host, name: str, title: str | None, there: list[Snapshot], state: str) -> None:
    """Raises Exists, Invalid, WrongState."""
    with asking(f"vm {name!r}"):
        document = find_domain(host, name).XMLDesc(0)
    if title is not None:
        _check_name(title)
        if title in {each.name for each in there}:
            raise Exists(f"vm {name!r} has a snapshot {title!r} already", "choose another name")
    if external := [each.name for each in there if each.kind == "external"]:
        raise WrongState(
            f"vm {name!r} cannot have a snapshot: {external[-1]!r} is external, and libvirt mixes up both kinds",
            f"delete it first: kimchictl vm snapshot delete {quote(name)} {quote(external[-1])}",
        )
    why = _why_not(host, read_domain(document, name), state)
    if why is None and state != "shutoff" and plugged_vcpus(document):
        why = "vcpus were plugged in while it ran, with which qemu could not go back to it; while it is off it can"
    if why:
        verb = "clone" if state == "shutoff" else "stop"
        hint = {"clone": "makes a copy of it", "stop": "first; then it can, or vm clone copies it"}[verb]
        raise WrongState(f"vm {name!r} cannot have a snapshot: {why}", f"kimchictl vm {verb} {quote(name)} {hint}")


def _require_not_held(name: str, title: str, held: Mapping[str, str]) -> None:
    if title in held:
        raise Exists(
            f"vm {name!r}: {held[title]} holds a snapshot {title!r} already, of which libvirt does not know",
            f"choose another name; or, while the vm is off, delete that: qemu-img snapshot -d {quote(title)} "
            f"{quote(held[title])}",
        )


def _require_still(host: Host, name: str, was: str) -> None:
    """Raises WrongState where a guest is not as it `was` before libvirtd restarted; one that stands still runs on.

    It does so for its snapshot, and libvirt 9.0 forgets it; or takes what it stood at for its end, and powers it off.
    """
    domain = find_domain(host, name)
    now = state_of(host, domain)
    if now == "paused" and was == "running":
        with suppress(KimchiError):  # it goes off just now
            answered(name, lambda: _resume(name, domain))
        now = state_of(host, domain)
    if (now in ACTIVE) != (was in ACTIVE):
        verb = "stop" if now in ACTIVE else "start"
        raise WrongState(
            f"vm {name!r} is {now} since libvirtd restarted; the snapshot was to be of it as it was {was}",
            f"kimchictl vm {verb} {quote(name)}, and take it again",
        )


def _resume(name: str, domain: Any) -> None:
    with asking(f"vm {name!r}"):
        domain.resume()


def _check_name(title: str) -> None:
    if not title.strip() or "/" in title or title.startswith(".") or any(ord(each) < 32 for each in title):
        raise Invalid(f"snapshot name {title!r} is empty, begins with a dot, or holds a '/' or a control character")
    if len(title.encode("utf-8", "surrogateescape")) > 200:
        raise Invalid(f"snapshot name {title[:20]!r}... is longer than 200 bytes")


def _free_name(taken: set[str]) -> str:
    number = 1
    while f"snapshot-{number}" in taken:
        number += 1
    return f"snapshot-{number}"


def _why_not(host: Host, said: Description, state: str) -> str | None:
    """What keeps libvirt from an internal snapshot; None if nothing does."""
    if host.is_test:
        return None
    written = [disk for disk in said.disks if disk.device == "disk" and not disk.readonly and disk.source]
    for disk in written:
        if disk.format != "qcow2":
            return f"its disk {disk.target!r} is {disk.format or 'of no known format'}, and only qcow2 can hold one"
        if disk.shareable:
            return f"its disk {disk.target!r} is shared"
    if not written:
        return "it has no disk that could hold one"
    if said.uefi and state != "shutoff":
        return "it runs with UEFI, whose variables would not be in it; while it is off it can"
    return None
