"""The records of a template and a known distro: the same keys, one JSON object a file.

`extra` of each record holds keys of the file that kimchictl does not know: they are kept as they were.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Disk:
    """`size` is in GiB; `base` the path of an image that backs the disk; None is filled in at use."""

    size: int | None = None
    format: str | None = None
    pool: str | None = None
    bus: str | None = None
    base: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """`type` is network, bridge or user; `name` the network's or the bridge's, None for user."""

    type: str = "network"
    name: str | None = None
    model: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graphics:
    """`type` is vnc, spice or none; `listen` a literal address."""

    type: str = "vnc"
    listen: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """The virtual CPU topology; the product is the number of virtual CPUs at most."""

    sockets: int = 1
    cores: int = 1
    threads: int = 1
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """A template, or a distro: None means "not given here", to be filled in at use.

    `memory` and `max_memory` are MiB. `cdrom` is a path, "pool:POOL/VOLUME" or a URL; None with no disk that has a base
    means network boot. `made` is provenance, left out of comparisons.
    """

    name: str
    os_distro: str = "unknown"
    os_version: str = "unknown"
    os_arch: str | None = None
    cdrom: str | None = None
    mirrors: tuple[str, ...] = ()
    checksum: str | None = None
    icon: str | None = None
    folder: str | None = None
    description: str | None = None
    memory: int | None = None
    max_memory: int | None = None
    vcpus: int | None = None
    max_vcpus: int | None = None
    topology: Topology | None = None
    disks: tuple[Disk, ...] | None = None
    networks: tuple[Network, ...] | None = None
    graphics: Graphics | None = None
    firmware: str | None = None
    secure_boot: bool | None = None
    tpm: bool | None = None
    cpu: str | None = None
    machine: str | None = None
    virt_type: str | None = None
    disk_bus: str | None = None
    nic_model: str | None = None
    cloud_init: str | None = None
    made: dict[str, Any] | None = field(default=None, compare=False)
    extra: dict[str, Any] = field(default_factory=dict)
