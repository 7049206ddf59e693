"""Snapshots of a domain: made, listed as the tree that they are, gone back to, deleted.

They are internal ones, kept inside of the qcow2 images; those of other tools may be external (overlays), and are listed
all the same. What this libvirt cannot do is refused before it is tried.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any

from kimchictl.errors import Exists, Invalid, KimchiError, NotFound, WrongState, did_you_mean
from kimchictl.units import format_time
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.domainread import Description, read_domain
from kimchictl.virt.domain.domains import find_domain, state_of
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.saved import require_none_saved
from kimchictl.virt.domain.surely import surely

_EXTERNAL_REVERT = 9_009_000  # libvirt 9.9.0 goes back to external snapshots


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`tree` is the name, two blanks in for each snapshot it descends from; `kind` internal or external.

    `state` is that of the guest then; `created` RFC 3339; `disks` the targets that are in it.
    """

    name: str
    tree: str
    parent: str | None
    current: bool
    state: str
    kind: str
    created: str | None
    description: str | None
    disks: tuple[str, ...]


def list_snapshots(host: Host, name: str) -> list[Snapshot]:
    """All of a VM in the order of their tree, older ones first. Raises NotFound."""
    domain = find_domain(host, name)
    with asking(f"vm {name!r}: snapshots"):
        found = {}
        for each in domain.listAllSnapshots(0):
            try:
                found[each.getName()] = _read(each.getXMLDesc(0), bool(each.isCurrent(0)))
            except host.lib.libvirtError as error:
                if not is_code(error, "NO_DOMAIN_SNAPSHOT"):  # it went away meanwhile
                    raise
    return _in_order(found)


def _in_order(found: dict[str, Snapshot]) -> list[Snapshot]:
    children: dict[str | None, list[Snapshot]] = {}
    for each in sorted(found.values(), key=lambda each: (each.created or "", each.name)):
        children.setdefault(each.parent if each.parent in found else None, []).append(each)
    ordered, stack = [], [(each, 0) for each in reversed(children.get(None, []))]
    while stack:
        each, depth = stack.pop()
        ordered.append(_indented(each, depth))
        stack += [(child, depth + 1) for child in reversed(children.get(each.name, []))]
    return ordered


def _indented(each: Snapshot, depth: int) -> Snapshot:
    from dataclasses import replace

    return replace(each, tree="  " * depth + each.name)


def _read(document: str, current: bool) -> Snapshot:
    root = xml.parse(document, "a snapshot")
    disks = [disk for disk in root.findall("disks/disk") if disk.get("snapshot") not in (None, "no")]
    memory = root.find("memory")
    kinds = [disk.get("snapshot") for disk in disks] + ([memory.get("snapshot")] if memory is not None else [])
    created = xml.number(root, "creationTime")
    name = root.findtext("name") or ""
    return Snapshot(
        name=name,
        tree=name,
        parent=root.findtext("parent/name"),
        current=current,
        state=xml.text(root, "state") or "unknown",
        kind="external" if "external" in kinds else "internal",
        created=format_time(created) if created is not None else None,
        description=xml.text(root, "description"),
        disks=tuple(disk.get("name") or "" for disk in disks),
    )


def find_snapshot(host: Host, name: str, wanted: str) -> Snapshot:
    """Raises NotFound, also for the VM."""
    known = {each.name: each for each in list_snapshots(host, name)}
    if wanted not in known:
        hint = did_you_mean(wanted, known, f"kimchictl vm snapshot list {quote(name)} shows those it has")
        raise NotFound(f"vm {name!r} has no snapshot {wanted!r}", hint)
    return known[wanted]


def current_snapshot(host: Host, name: str) -> Snapshot:
    """The one that the disks have come from. Raises NotFound where there is none."""
    found = next((each for each in list_snapshots(host, name) if each.current), None)
    if found is None:
        raise NotFound(f"vm {name!r} has no current snapshot")
    return found


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
            return _read(find_domain(host, name).snapshotCreateXML(document, 0).getXMLDesc(0), True)

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
    if why is None and state != "shutoff" and _plugged_vcpus(document):
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


def _plugged_vcpus(document: str) -> bool:
    """Whether a guest has vcpus that it did not start with: libvirt loads its memory before it plugs them in again."""
    return bool(xml.parse(document, "a domain").findall(".//vcpus/vcpu[@enabled='yes'][@hotpluggable='yes']"))


def revert_snapshot(host: Host, name: str, wanted: str, run: bool = False) -> None:
    """Go back to it: the disks as they were, and the guest as it was, or running with `run`.

    Raises what `require_revertible` does. It can be done twice, so that it is where libvirtd restarts under it.
    """
    require_revertible(host, name, wanted)
    flags = host.flag("DOMAIN_SNAPSHOT_REVERT_RUNNING") if run else 0

    def go_back() -> None:
        with asking(f"vm {name!r} cannot go back to snapshot {wanted!r}"):
            find_domain(host, name).revertToSnapshot(_handle(host, name, wanted), flags)

    surely(host, name, f"going back to snapshot {wanted!r}", go_back, lambda: None)


def require_revertible(host: Host, name: str, wanted: str) -> None:
    """Raises NotFound, WrongState for what this libvirt cannot go back to."""
    found = find_snapshot(host, name, wanted)
    # libvirt would leave it, for the next start; on disks that have gone back it would ruin what is on them.
    require_none_saved(host, find_domain(host, name), f"cannot go back to snapshot {wanted!r}")
    if found.kind == "external" and host.conn.getLibVersion() < _EXTERNAL_REVERT:
        raise WrongState(
            f"snapshot {wanted!r} of vm {name!r} is external, and libvirt before 9.9 cannot go back to it",
            f"start it from the overlay's backing file: kimchictl vm disk list {quote(name)}",
        )
    if later := _external_after(host, name, found):
        raise WrongState(
            f"vm {name!r} cannot go back to snapshot {wanted!r}: {later!r}, taken after it, is external, and what it "
            "stands for is what would be overwritten",
            "kimchictl volume download gets the backing file of its disk, and qemu-img snapshot -a goes back in that",
        )
    with asking(f"vm {name!r} cannot go back to snapshot {wanted!r}"):
        document = _handle(host, name, wanted).getXMLDesc(0)
    if found.state != "shutoff" and _plugged_vcpus(document):  # it would power off first
        raise WrongState(
            f"snapshot {wanted!r} of vm {name!r} has vcpus that were plugged in, with which qemu loads no memory",
            "a disk alone goes back, while the vm is off, with: qemu-img snapshot -a SNAPSHOT FILE",
        )


def _external_after(host: Host, name: str, found: Snapshot) -> str | None:
    """The first external one that descends from `found`, if that is internal: its disk has a new file since."""
    if found.kind == "external":
        return None
    there = {each.name: each for each in list_snapshots(host, name)}
    later = (each.name for each in there.values() if each.kind == "external" and found.name in _above(each, there))
    return next(later, None)


def delete_snapshot(host: Host, name: str, wanted: str, children: bool = False) -> None:
    """Delete it, with `children` also those that descend from it, which otherwise stay. Raises NotFound, WrongState."""
    _require_deletable(host, name, wanted, children)
    flags = host.flag("DOMAIN_SNAPSHOT_DELETE_CHILDREN") if children else 0

    def delete() -> bool:
        with asking(f"snapshot {wanted!r} of vm {name!r} cannot be deleted"):
            _handle(host, name, wanted).delete(flags)
        return True

    def deleted() -> bool | None:
        return wanted not in {each.name for each in list_snapshots(host, name)} or None

    surely(host, name, f"deleting snapshot {wanted!r}", delete, deleted)


def _require_deletable(host: Host, name: str, wanted: str, children: bool) -> None:
    """Raises NotFound; WrongState where libvirt would fail, or would throw away with an overlay what is kept in it.

    An internal one below an external one goes while the VM is off: libvirt takes it out of the file that it is in.
    """
    there = {each.name: each for each in list_snapshots(host, name)}
    found = there.get(wanted) or find_snapshot(host, name, wanted)
    if found.kind != "external":
        _require_own_file(host, name, found, children)
        return
    subject = f"snapshot {wanted!r} of vm {name!r} is external and cannot be deleted"
    inside = [each.name for each in there.values() if each.kind == "internal" and wanted in _above(each, there)]
    if inside:
        raise WrongState(f"{subject}: {inside[0]!r} is kept inside of what it made", "delete that first")
    parent = there.get(found.parent or "")
    if parent is not None and parent.kind == "internal":
        raise WrongState(f"{subject}: {parent.name!r}, from which it descends, is internal", "delete that first")
    later = [each.name for each in there.values() if each.parent == wanted]
    if later and host.conn.getLibVersion() < _EXTERNAL_REVERT:
        hint = f"delete {later[0]!r} first, which descends from it"
        raise WrongState(f"{subject}: before 9.9 libvirt deletes none from the middle", hint)


def _require_own_file(host: Host, name: str, found: Snapshot, children: bool) -> None:
    """Raises WrongState for an internal one that libvirt will not look for where it is."""
    later = _external_after(host, name, found)
    subject = f"snapshot {found.name!r} of vm {name!r} cannot be deleted"
    if later and children:
        hint = f"kimchictl vm snapshot delete {quote(name)} {quote(found.name)} leaves it"
        raise WrongState(f"{subject} with its children: {later!r}, one of them, is external", hint)
    if later and state_of(host, find_domain(host, name)) in ACTIVE:
        hint = f"stop it first: kimchictl vm stop {quote(name)}"
        raise WrongState(f"{subject} while it runs: since {later!r}, which is external, its disk has a new file", hint)


def _above(found: Snapshot, there: dict[str, Snapshot]) -> Iterator[str]:
    """The names of those that `found` descends from."""
    seen: Snapshot | None = found
    while seen is not None and seen.parent is not None:
        yield seen.parent
        seen = there.get(seen.parent)


def _handle(host: Host, name: str, wanted: str) -> Any:
    find_snapshot(host, name, wanted)
    return find_domain(host, name).snapshotLookupByName(wanted, 0)
