"""Snapshots of a domain: listed as the tree that they are, gone back to, deleted.

They are internal ones, kept inside of the qcow2 images; those of other tools may be external (overlays), and are listed
all the same. What this libvirt cannot do is refused before it is tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Any

from kimchictl.errors import NotFound, WrongState, did_you_mean
from kimchictl.units import format_time
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code
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
                found[each.getName()] = read_snapshot(each.getXMLDesc(0), bool(each.isCurrent(0)))
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


def read_snapshot(document: str, current: bool) -> Snapshot:
    """What its XML says. Raises Damaged."""
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


def plugged_vcpus(document: str) -> bool:
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
    if found.state != "shutoff" and plugged_vcpus(document):  # it would power off first
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
