"""The doctor: what keeps this host from doing what kimchictl can do, and the command that fixes each.

    guests    what guests need: KVM, devices, firmware, TPM, streaming, the user they run as, virtlogd
    lost      guests that run without libvirt's knowledge
    places    what VMs are put on: storage pools, networks, free space
    here      this machine: our directories, osinfo-db, the clock, the collector, the scan that is repeated

Fail is what keeps VMs from being made or what is kept from being safe; warn what costs speed or a feature. Nothing is
changed, but that a guest without a disk is started and ended to try KVM with. Each check has its deadline.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kimchictl.actions.host.doctor import guests, here, lost, places
from kimchictl.actions.host.findings import FAIL, Finding
from kimchictl.config import Config
from kimchictl.errors import HostError, KimchiError, TimedOut
from kimchictl.virt.deadlines import all_within

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_PATIENCE = 40.0

Findings = Iterable[Finding]


@dataclass(frozen=True, slots=True)
class Ours:
    """What is ours on the machine: the configuration, and the files that templates name."""

    config: Config
    files: tuple[str, ...] = ()


def check_host(connect: Callable[[], "Host"], uri: str | None, ours: Ours, local: bool) -> list[Finding]:
    """All findings about the host that `connect` opens, in a fixed order; with `local` about this machine, too."""
    jobs: dict[str, Callable[[], Findings]] = {}
    try:
        host = connect()
    except HostError as error:
        found = [Finding("libvirt", FAIL, str(error), error.hint)]
    else:
        uri = host.uri
        found = [guests.reachable(host)]
        jobs |= _about_host(host, ours)
    if local:
        jobs |= _about_this_machine(ours, uri)
    for name, result in all_within(_PATIENCE, jobs).items():
        found += _failed(name, result) if isinstance(result, Exception) else list(result)
    return found


def _failed(name: str, error: Exception) -> list[Finding]:
    """A check that could not be made: what it says of the host is no better than a fault."""
    if isinstance(error, TimedOut):
        return [Finding(name, FAIL, f"no answer in time: {error}")]
    if not isinstance(error, KimchiError):
        raise error
    return [Finding(name, FAIL, str(error), error.hint)]


def _about_host(host: "Host", ours: Ours) -> dict[str, Callable[[], Findings]]:
    jobs: dict[str, Callable[[], Findings]] = {
        "kvm": partial(guests.kvm, host, ours.config.places.cache_dir),
        "firmware": partial(guests.firmware_and_tpm, host),
        "streaming": partial(guests.streaming, host, ours.config.places.cache_dir),
        "pool": partial(places.pool, host, ours.config["template.pool"] or "default"),
        "network": partial(places.network, host, ours.config["template.network"] or "default"),
        "pool space": partial(places.pool_space, host),
    }
    if host.is_local and not host.is_test:
        jobs |= {
            "devices": guests.devices,
            "guest user": partial(guests.guest_user, host, ours.files),
            "virtlogd": partial(guests.virtlogd, host),
        }
        if host.driver == "qemu":
            jobs["guests"] = partial(lost.lost_guests, host)
    return jobs


def _about_this_machine(ours: Ours, uri: str | None) -> dict[str, Callable[[], Findings]]:
    where = ours.config.places
    return {
        "osinfo-db": here.osinfo_db,
        "clock": here.clock,
        "directories": partial(here.directories, where),
        "space": partial(here.space, where),
        "collector": partial(here.collector, where, uri),
        "scan": partial(here.repeated_scan, ours.config["scan.paths"]),
    }
