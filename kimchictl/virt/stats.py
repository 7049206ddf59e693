"""What every running domain and the host have used so far: counters, not rates, from one bulk call.

    measure(host)   a Round: the counters of all running domains and of the host at one moment
    Round           when, by two clocks, and the Counters by subject
    Counters        of one domain, or of the host; None is what the driver does not tell

The names of the values are those of virsh domstats: cpu.time, balloon.rss, net.N.rx.bytes, block.N.rd.bytes.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kimchictl.errors import Disconnected, TimedOut
from kimchictl.virt import hostcounters
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import within

HOST = "host"
"""The subject that is the host itself; a domain's is its UUID."""

PATIENCE = 10.0  # seconds that all guests together may take

Pair = tuple[int, int]

_GROUPS = ("STATE", "CPU_TOTAL", "VCPU", "BALLOON", "INTERFACE", "BLOCK")


@dataclass(frozen=True, slots=True)
class Counters:
    """What one subject has used since it was started.

    `run` differs after every start. `cpu`: nanoseconds, on `cpus` processors; `memory`: bytes now, of a domain what it
    takes of the host's; `disks`: device -> (bytes read, bytes written); `nics`: device -> (received, sent).
    """

    name: str
    run: str
    cpu: int | None = None
    cpus: int | None = None
    memory: int | None = None
    disks: Mapping[str, Pair] | None = None
    nics: Mapping[str, Pair] | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """`at`: seconds since the epoch; `clock`: seconds on the clock of `boot` that nobody sets, also while asleep.

    `unheard`: the names of domains whose hypervisor told nothing, as it is busy or hangs; of these less is known.
    """

    at: float
    clock: float
    boot: str
    subjects: Mapping[str, Counters] = field(default_factory=dict)
    unheard: tuple[str, ...] = ()


def measure(host: Host) -> Round:
    """One round: one call for all domains, two for the host, however many domains there are. Raises KimchiError.

    Disconnected where a guest hangs: over another connection there are the others, and of it what libvirtd knows.
    """
    flags = host.flag("CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE") | host.flag("CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT")
    wanted = sum(host.flag("DOMAIN_STATS_" + group) for group in _GROUPS)
    with asking("statistics of all vms"):
        told = _all_stats(host, wanted, flags)
    subjects = {HOST: _of_host(host)}
    for domain, values in told:
        subjects[domain.UUIDString()] = _of_domain(domain, values)
    unheard = tuple(sorted(_name(domain) for domain, values in told if _is_unheard(values)))
    return Round(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id(), subjects, unheard)


def exists(host: Host, name: str) -> bool:
    """Whether there is a domain with this name or UUID, running or not."""
    for look in (host.conn.lookupByName, host.conn.lookupByUUIDString):
        try:
            look(name)
            return True
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_DOMAIN", "INVALID_ARG"):
                with asking(f"vm {name!r}"):
                    raise
    return False


def boot_id() -> str:
    """What tells this boot of this machine from all others; "" where the kernel does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(64).strip()
    except OSError:
        return ""


def _all_stats(host: Host, wanted: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
    """[(domain, its values)]. A driver that refuses some of the groups is asked for all that it knows.

    NOWAIT leaves out what a guest is being asked already; see kimchictl.virt.domain.listing.
    """
    try:
        return list(within(PATIENCE, "a guest", lambda: host.conn.getAllDomainStats(wanted, flags)))
    except TimedOut:
        host.stuck = True
        raise Disconnected(f"host {host.uri}: the hypervisor of a VM does not answer") from None
    except host.lib.libvirtError as error:
        if not is_code(error, "INVALID_ARG", "NO_SUPPORT", "OPERATION_UNSUPPORTED", "ARGUMENT_UNSUPPORTED"):
            raise
        return list(host.conn.getAllDomainStats(0, host.flag("CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE")))


def _of_domain(domain: Any, values: Mapping[str, Any]) -> Counters:
    memory = values.get("balloon.rss", values.get("balloon.current"))  # KiB, both
    return Counters(
        name=_name(domain),
        run=str(domain.ID()),
        cpu=values.get("cpu.time"),
        cpus=values.get("vcpu.current") or values.get("vcpu.maximum"),
        memory=None if memory is None else memory * 1024,
        disks=_devices(values, "block", "rd.bytes", "wr.bytes"),
        nics=_devices(values, "net", "rx.bytes", "tx.bytes"),
    )


def _is_unheard(values: Mapping[str, Any]) -> bool:
    """Whether it has disks, and the hypervisor was not asked about them."""
    count = values.get("block.count", 0)
    return count > 0 and not any(f"block.{number}.rd.bytes" in values for number in range(count))


def _name(domain: Any) -> str:
    try:
        return str(domain.name())
    except UnicodeDecodeError:  # libvirt-python cannot read such a name; the UUID is one, too
        return str(domain.UUIDString())


def _devices(values: Mapping[str, Any], kind: str, first: str, second: str) -> dict[str, Pair] | None:
    """Device -> its two counters; None when nobody tells of them."""
    count = values.get(f"{kind}.count")
    if count is None or (kind == "block" and _is_unheard(values)):
        return None
    devices = {}
    for number in range(count):
        one, other = values.get(f"{kind}.{number}.{first}"), values.get(f"{kind}.{number}.{second}")
        if one is not None and other is not None:
            devices[str(values.get(f"{kind}.{number}.name", number))] = one, other
    return devices


def _of_host(host: Host) -> Counters:
    """The host: CPU and memory from libvirt, disks and network from this kernel where it is this machine."""
    local = host.is_local and not host.is_test
    cpu = _told(host, lambda: host.conn.getCPUStats(-1))
    memory = _told(host, lambda: host.conn.getMemoryStats(-1))
    return Counters(
        name=HOST,
        run=boot_id() if local else "",
        cpu=sum(cpu[key] for key in ("kernel", "user", "intr") if key in cpu) if cpu else None,
        cpus=_told(host, lambda: host.conn.getInfo()[2]) or (os.cpu_count() if local else None),
        memory=None if memory is None else _used(memory),
        disks=hostcounters.disks() if local else None,
        nics=hostcounters.nics() if local else None,
    )


def _used(memory: Mapping[str, int]) -> int | None:
    """Bytes in use, the caches left out: virsh nodememstats is in KiB."""
    if "total" not in memory or "free" not in memory:
        return None
    spare = memory["free"] + memory.get("buffers", 0) + memory.get("cached", 0)
    return max(0, memory["total"] - spare) * 1024


def _told(host: Host, ask: Callable[[], Any]) -> Any:
    """What `ask` returns, or None where the driver cannot tell."""
    try:
        return ask()
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT", "OPERATION_UNSUPPORTED", "INTERNAL_ERROR", "INVALID_ARG"):
            return None
        with asking("statistics of the host"):
            raise
