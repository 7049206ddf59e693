"""What the snapshots of VMs need besides the VM's present disks: the disks as they were, overlays, saved memory."""

from collections.abc import Iterator
from typing import NamedTuple

from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.domain.domainread import location, paths_in


class SnapshotFile(NamedTuple):
    """`source` is "/path" or "pool:POOL/VOLUME"; `format` that of a disk, None where it is not said."""

    vm: str
    source: str
    format: str | None


def snapshot_files(host: Host) -> Iterator[SnapshotFile]:
    """All that snapshots name. One call, and two a VM that has any, or more."""
    with asking(f"host {host.uri}: vm list"):
        domains = host.conn.listAllDomains(host.lib.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)
    for domain in domains:
        name = domain.name()
        try:
            documents = [snapshot.getXMLDesc(0) for snapshot in domain.listAllSnapshots(0)]
        except host.lib.libvirtError as error:
            if is_code(error, "NO_DOMAIN", "NO_DOMAIN_SNAPSHOT"):
                continue  # it vanished meanwhile
            with asking(f"vm {name!r}: snapshot list"):
                raise
        for document in documents:
            root = xml.parse(document, f"a snapshot of vm {name!r}")
            yield from (SnapshotFile(name, source, form) for source, form in _named(root))


def _named(root: xml.Element) -> Iterator[tuple[str, str | None]]:
    for disk in root.iter("disk"):
        driver = disk.find("driver")
        if source := location(disk.find("source")):
            yield source, driver.get("type") if driver is not None else None
    yield from ((path, None) for path in paths_in(root))
