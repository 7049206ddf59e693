"""What a domain is made of, before it is XML."""

from dataclasses import dataclass, field

from kimchictl.catalog.records import Template
from kimchictl.virt.capabilities import ASSUMED, Machine


@dataclass(frozen=True, slots=True)
class Medium:
    """What lies in a CD-ROM drive. `kind` is file, block, network or volume; `location` a path, URL, "POOL/VOLUME".

    `user` logs in at the server of a URL, with the password in the libvirt secret whose usage is `secret`.
    """

    kind: str
    location: str
    user: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class DomainDisk:
    """A disk's image: `path` on the host, a block device if `block`; `base` and `base_format` are what backs it."""

    path: str
    format: str
    bus: str | None = None
    block: bool = False
    base: str | None = None
    base_format: str | None = None


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """Everything that `domain_xml` needs to know. `template` is resolved: what it leaves open has no better answer."""

    name: str
    template: Template
    disks: tuple[DomainDisk, ...] = ()
    media: tuple[Medium, ...] = ()
    machine: Machine = ASSUMED
    title: str | None = None
    description: str | None = None
    password: str | None = field(default=None, repr=False)  # of the display
    seed: str | None = None  # "POOL/VOLUME" of the cloud-init data that were made for it
    uuid: str | None = None  # None: libvirt makes one


def medium(location: str, block: bool = False) -> Medium:
    """The medium at `location`: a URL, "pool:POOL/VOLUME" or a path."""
    if "://" in location:
        return Medium("network", location)
    if location.startswith("pool:"):
        return Medium("volume", location.removeprefix("pool:"))
    return Medium("block" if block else "file", location)
