"""The end of a domain's definition, with all that libvirt keeps for it: NVRAM, TPM, snapshots, saved memory."""

from dataclasses import dataclass
from typing import Any

from kimchictl.errors import NotFound
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.domain.domainread import read_domain
from kimchictl.virt.domain.domains import find_domain
from kimchictl.virt.domain.nvram import nvram_sharers


@dataclass(frozen=True, slots=True)
class Belongings:
    """What libvirt keeps for a domain beside its definition. `nvram` is its path while libvirt shows one."""

    uefi: bool
    nvram: str | None
    tpm: bool
    snapshots: int
    checkpoints: int
    saved: bool


def belongings_of(host: Host, domain: Any) -> Belongings:
    """Ask for each; what a driver does not know about it does not have."""
    with asking(f"vm {domain.name()!r}"):
        said = read_domain(domain.XMLDesc(0), domain.name())
    return Belongings(
        uefi=said.uefi,
        nvram=said.nvram,
        tpm=said.tpm,
        snapshots=_count(host, lambda: domain.snapshotNum(0)),
        checkpoints=_count(host, lambda: len(domain.listAllCheckpoints(0))),
        saved=bool(_count(host, lambda: domain.hasManagedSaveImage(0))),
    )


def _count(host: Host, ask: Any) -> int:
    try:
        return int(ask())
    except host.lib.libvirtError:
        return 0


def undefine_vm(host: Host, name: str) -> bool:
    """Forget a VM that is off, by its name or its UUID; False where it is gone already, as a transient one is.

    The flags are those it needs: drivers refuse what they do not know. NVRAM that another VM has, too, stays.
    """
    try:
        domain = find_domain(host, name)
        has = belongings_of(host, domain)
        uefi = (has.uefi or has.nvram) and not host.is_test
        shared = uefi and nvram_sharers(host, domain.name())
    except NotFound:
        return False
    flags = 0
    for present, what in (
        (uefi and not shared, "NVRAM"),
        (uefi and shared, "KEEP_NVRAM"),
        (has.tpm and not host.is_test, "TPM"),
        (has.snapshots, "SNAPSHOTS_METADATA"),
        (has.checkpoints, "CHECKPOINTS_METADATA"),
        (has.saved, "MANAGED_SAVE"),
    ):
        if present:
            flags |= host.flag(f"DOMAIN_UNDEFINE_{what}")
    with asking(f"vm {domain.name()!r} cannot be deleted"):
        try:
            domain.undefineFlags(flags)
        except host.lib.libvirtError as error:
            if is_code(error, "NO_DOMAIN"):
                return False
            raise
    return True
