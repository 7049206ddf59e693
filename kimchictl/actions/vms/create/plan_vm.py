"""A VM that is to be made, as data.

Request    what was asked for: a resolved template, a name or none, how many
VmPlan     one VM: its volumes and its domain, ready to be made
sketch     a plan without any host, for --print-xml
"""

import os
import stat
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace

from kimchictl.catalog.records import Network
from kimchictl.catalog.resolve import Resolved
from kimchictl.units import GIB
from kimchictl.virt.capabilities import ASSUMED, Machine
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.domainplan import DomainDisk, DomainPlan, Medium, medium
from kimchictl.virt.domain.domainxml import domain_xml

IMAGES = "/var/lib/libvirt/images"
_SUFFIXES = {"qcow2": ".qcow2", "raw": ".img"}
BLOCK_POOLS = ("logical", "disk", "iscsi", "iscsi-direct")


@dataclass(frozen=True, slots=True)
class Login:
    """Who a guest is at the server of its image; the password does not show in a repr."""

    server: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """`pool` goes over the template's; `name` None: after the template, TEMPLATE-vm-1, -2...

    Of several, the `count`, each gets the next number that is free: NAME-1, NAME-2...

    `names` are those that they get, where they are chosen already. `start`: they are started at once.

    `login` is for the server of a streamed image, `password` for the display, `user_data` for cloud-init.
    `drivers` is where a disc with drivers for the guest is, for a drive of its own.
    """

    resolved: Resolved
    name: str | None = None
    count: int = 1
    pool: str | None = None
    title: str | None = None
    description: str | None = None
    login: Login | None = None
    password: str | None = field(default=None, repr=False)
    user_data: bytes | None = field(default=None, repr=False)
    drivers: str | None = None
    names: tuple[str, ...] = ()
    start: bool = False

    @property
    def is_numbered(self) -> bool:
        """Whether its VMs get the next numbers that are free, and not the one name."""
        return self.name is None or self.count > 1

    @property
    def stem(self) -> str:
        """What its VMs' names begin with, if it `is_numbered`; the number follows behind a hyphen."""
        return self.name if self.name is not None else f"{self.resolved.template.name.replace('/', '-')}-vm"

    @property
    def called(self) -> str | Callable[[int], str]:
        """The one name, or what makes a name of a number."""
        return (lambda number: f"{self.stem}-{number}") if self.is_numbered else self.name or ""

    def may_be(self, name: str) -> bool:
        """Whether a VM of it would be called `name`, were it free."""
        if not self.is_numbered:
            return name == self.name
        number = name.removeprefix(f"{self.stem}-")
        return number != name and number.isdecimal()


@dataclass(frozen=True, slots=True)
class PlannedSeed:
    """An image with cloud-init data that is to be made: `path` is where it will be."""

    pool: str
    name: str
    path: str
    user_data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlannedVolume:
    """A volume to be made: `capacity` is bytes, `base` the path of what backs it."""

    pool: str
    name: str
    path: str
    capacity: int
    format: str
    base: str | None = None
    base_format: str | None = None


@dataclass(frozen=True, slots=True)
class VmPlan:
    """A VM to be made."""

    name: str
    template: str
    volumes: tuple[PlannedVolume, ...]
    domain: DomainPlan
    seed: PlannedSeed | None = None

    def xml(self) -> str:
        """Its domain. Raises Invalid."""
        return domain_xml(self.domain)


def sketch(request: Request) -> VmPlan:
    """A plan that asks no host: the defaults are assumed to be there."""
    template = request.resolved.template
    name = request.name or f"{request.stem}-1"
    domains.check_name(name)
    taken: set[str] = set()
    planned = []
    for disk in template.disks or ():
        volume = volume_name(name, disk.format or "qcow2", taken)
        taken.add(volume)
        size = (disk.size or 1) * GIB
        pool = request.pool or disk.pool or "default"
        planned.append(PlannedVolume(pool, volume, f"{IMAGES}/{volume}", size, disk.format or "qcow2", disk.base))
    inserted = () if template.cdrom is None else (medium(template.cdrom, is_block(template.cdrom)),)
    return assemble(request, name, planned, inserted, ASSUMED, request.resolved.template.networks or ())


def assemble(
    request: Request,
    name: str,
    planned: list[PlannedVolume],
    media: tuple[Medium, ...],
    machine: Machine,
    networks: tuple[Network, ...],
    blocks: Container[str] = (),
    seed: PlannedSeed | None = None,
) -> VmPlan:
    """The plan out of its parts."""
    template = replace(request.resolved.template, networks=networks)
    disks = tuple(
        DomainDisk(volume.path, volume.format, disk.bus, volume.pool in blocks, volume.base, volume.base_format)
        for volume, disk in zip(planned, template.disks or (), strict=True)
    )
    description = request.description or template.description
    if seed is not None:
        media = (*media, Medium("file", seed.path))
    domain = DomainPlan(
        name, template, disks, media, machine, request.title, description, request.password, seed=_place(seed)
    )
    return VmPlan(name, template.name, tuple(planned), domain, seed)


def _place(seed: PlannedSeed | None) -> str | None:
    return None if seed is None else f"{seed.pool}/{seed.name}"


def volume_name(vm: str, form: str, taken: Container[str]) -> str:
    """web.qcow2, web-1.qcow2...: the first that is free."""
    suffix = _SUFFIXES.get(form, f".{form}")
    number = 0
    while (name := f"{vm}{f'-{number}' if number else ''}{suffix}") in taken:
        number += 1
    return name


def is_block(path: str) -> bool:
    """Whether `path` is a block device, as far as can be seen from here."""
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return path.startswith("/dev/")
