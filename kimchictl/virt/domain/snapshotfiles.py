"""What the snapshots of VMs need besides the VM's present disks: the disks as they were, overlays, saved memory."""

from collections.abc import Iterator

from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.domain.domainread import location


def snapshot_files(host: Host) -> Iterator[tuple[str, str]]:
    """(VM, "/path" or "pool:POOL/VOLUME") of all that snapshots name. One call, and two a VM that has any, or more."""
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
            yield from ((name, file) for file in _named(xml.parse(document, f"a snapshot of vm {name!r}")))


def _named(root: xml.Element) -> Iterator[str]:
    for disk in root.iter("disk"):
        if source := location(disk.find("source")):
            yield source
    for memory in root.iter("memory"):
        if file := memory.get("file"):
            yield file
