"""A template with every default filled in, and where each value comes from.

    given           the file says so
    os              what its system recommended when it was made (the file says so, too)
    configuration   a key of [template] or [vm] in kimchictl.toml, a variable or an option
    built in        ours

A default never contradicts what is given: it is cut down to fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kimchictl.catalog import options
from kimchictl.catalog.fields import GRAPHICS, NETWORK, TEMPLATE
from kimchictl.catalog.kinds import Record, Wrong
from kimchictl.catalog.records import Disk, Graphics, Network, Template
from kimchictl.config import KEYS, Config
from kimchictl.errors import Invalid

GIVEN, OS, CONFIGURATION, BUILT_IN = "given", "os", "configuration", "built in"

_MEMORY, _VCPUS, _DISK_SIZE = 2048, 2, 20
_LOOPBACK = "127.0.0.1"
_MACHINES = {
    "s390x": "s390-ccw-virtio",
    "ppc64": "pseries",
    "ppc64le": "pseries",
    "aarch64": "virt",
    "armv7l": "virt",
    "riscv64": "virt",
}
_UEFI_ONLY = frozenset({"aarch64", "armv7l", "riscv64", "loongarch64"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the configuration says where a template is silent; None is "nothing either"."""

    memory: int | None = None
    vcpus: int | None = None
    disk_size: int | None = None
    disk_format: str | None = None
    pool: str | None = None
    network: Network | None = None
    graphics: Graphics | None = None
    firmware: str | None = None
    cpu: str | None = None
    virt_type: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """`template` lacks nothing known without a host; `origins` maps "memory", "disks[0].size"... to a source."""

    template: Template
    origins: Mapping[str, str]


def defaults_of(config: Config) -> Defaults:
    """The configuration's defaults. Raises Invalid naming the key."""
    network, graphics = config["template.network"], config["template.graphics"]
    disk = {
        "format": config["template.disk_format"],
        "size": config["template.disk_size"],
        "pool": config["template.pool"],
    }
    _check("template.disk_*", TEMPLATE, {"name": "x", "disks": [{key: value for key, value in disk.items() if value}]})
    for key in ("memory", "vcpus", "cpu"):
        if config[f"template.{key}"] is not None:
            _check(f"template.{key}", TEMPLATE, {"name": "x", key: config[f"template.{key}"]})
    return Defaults(
        memory=config["template.memory"],
        vcpus=config["template.vcpus"],
        disk_size=config["template.disk_size"],
        disk_format=config["template.disk_format"],
        pool=config["template.pool"],
        network=_check("template.network", NETWORK, options.network(network)) if network else None,
        graphics=_check("template.graphics", GRAPHICS, options.graphics(graphics)) if graphics else None,
        firmware=config["template.firmware"],
        cpu=config["template.cpu"],
        virt_type=None if config["vm.virt_type"] == KEYS["vm.virt_type"].default else config["vm.virt_type"],
    )


def _check(key: str, kind: Record, value: Any) -> Any:
    try:
        return kind.check(value)
    except Wrong as wrong:
        raise Invalid(f"configuration {key}: {wrong}") from None


class _Filling:
    """One template on its way to being whole: takes the first value there is and notes whose it was."""

    def __init__(self, template: Template) -> None:
        recommended = (template.made or {}).get("recommended")
        self.recommended = recommended if isinstance(recommended, dict) else {}
        self.origins: dict[str, str] = {}

    def choose(self, key: str, given: Any, configured: Any, built_in: Any) -> Any:
        if given is not None:
            self.origins[key] = OS if self.recommended.get(key) == given else GIVEN
            return given
        self.origins[key] = BUILT_IN if configured is None else CONFIGURATION
        return built_in if configured is None else configured

    def follow(self, key: str, given: Any, leader: str, value: Any) -> Any:
        """A value that is another key's where it is not given."""
        if given is not None:
            return self.choose(key, given, None, None)
        self.origins[key] = self.origins.get(leader, BUILT_IN)
        return value


def resolve(template: Template, defaults: Defaults) -> Resolved:
    """Fill in every default. `os_arch`, `cpu` and `max_*` of the host stay unknown until there is a host."""
    filling = _Filling(template)
    whole = _cpus(_memory(_firmware(template, defaults, filling), defaults, filling), defaults, filling)
    bus = filling.choose("disk_bus", whole.disk_bus, None, _built_in_bus(whole))
    model = filling.choose("nic_model", whole.nic_model, None, "virtio" if _is_current(whole) else "e1000")
    whole = replace(
        whole,
        disk_bus=bus,
        nic_model=model,
        cpu=whole.cpu or defaults.cpu,
        virt_type=filling.choose("virt_type", whole.virt_type, defaults.virt_type, "auto"),
    )
    if whole.cpu is not None:
        filling.origins["cpu"] = GIVEN if template.cpu else CONFIGURATION
    whole = replace(
        whole,
        disks=_disks(whole, defaults, filling),
        networks=_networks(whole, defaults, filling),
        graphics=_graphics(whole, defaults, filling),
    )
    for key in TEMPLATE.keys:
        if key.name not in filling.origins and getattr(template, key.name) not in (None, ()):
            filling.origins[key.name] = GIVEN
    return Resolved(whole, filling.origins)


def _memory(template: Template, defaults: Defaults, filling: _Filling) -> Template:
    memory = filling.choose("memory", template.memory, defaults.memory, _MEMORY)
    memory = min(memory, template.max_memory or memory)
    return replace(
        template, memory=memory, max_memory=filling.follow("max_memory", template.max_memory, "memory", memory)
    )


def _cpus(template: Template, defaults: Defaults, filling: _Filling) -> Template:
    topology = template.topology
    if topology is None:
        vcpus = filling.choose("vcpus", template.vcpus, defaults.vcpus, _VCPUS)
        vcpus = min(vcpus, template.max_vcpus or vcpus)
        most = filling.follow("max_vcpus", template.max_vcpus, "vcpus", vcpus)
        return replace(template, vcpus=vcpus, max_vcpus=most)
    product = topology.sockets * topology.cores * topology.threads
    filling.origins["topology"] = GIVEN
    vcpus = filling.follow("vcpus", template.vcpus, "topology", product)
    return replace(
        template, vcpus=vcpus, max_vcpus=filling.follow("max_vcpus", template.max_vcpus, "topology", product)
    )


def _firmware(template: Template, defaults: Defaults, filling: _Filling) -> Template:
    must = template.secure_boot or template.os_arch in _UEFI_ONLY
    configured = defaults.firmware if not must and template.os_arch not in _MACHINES else None
    firmware = filling.choose("firmware", template.firmware, configured, "uefi" if must else "bios")
    machine = _MACHINES.get(template.os_arch or "") or ("q35" if firmware == "uefi" or _is_current(template) else "pc")
    return replace(
        template,
        firmware=firmware,
        machine=filling.choose("machine", template.machine, None, machine),
        secure_boot=filling.choose("secure_boot", template.secure_boot, None, False),
        tpm=filling.choose("tpm", template.tpm, None, False),
    )


def _is_current(template: Template) -> bool:
    """A system that nobody named is taken for an old one, which has no virtio drivers."""
    return template.os_distro != "unknown"


def _built_in_bus(template: Template) -> str:
    if _is_current(template):
        return "virtio"
    return "ide" if (template.machine or "").startswith("pc") else "sata"


def _disks(template: Template, defaults: Defaults, filling: _Filling) -> tuple[Disk, ...]:
    given = (Disk(),) if template.disks is None else template.disks
    return tuple(_disk(disk, f"disks[{index}]", template, defaults, filling) for index, disk in enumerate(given))


def _disk(disk: Disk, key: str, template: Template, defaults: Defaults, filling: _Filling) -> Disk:
    size, form = disk.size, disk.format
    if disk.base is None:
        size = filling.choose(f"{key}.size", size, defaults.disk_size, _DISK_SIZE)
        form = filling.choose(f"{key}.format", form, defaults.disk_format, "qcow2")
    return replace(
        disk,
        size=size,
        format=form or "qcow2",
        pool=filling.choose(f"{key}.pool", disk.pool, defaults.pool, "default"),
        bus=filling.follow(f"{key}.bus", disk.bus, "disk_bus", template.disk_bus),
    )


def _networks(template: Template, defaults: Defaults, filling: _Filling) -> tuple[Network, ...]:
    found = filling.choose(
        "networks", template.networks, defaults.network and (defaults.network,), (Network("network", "default"),)
    )
    return tuple(replace(network, model=network.model or template.nic_model) for network in found)


def _graphics(template: Template, defaults: Defaults, filling: _Filling) -> Graphics:
    configured = defaults.graphics or Graphics("vnc")
    kind = template.graphics.type if template.graphics else None
    kind = filling.choose("graphics.type", kind, defaults.graphics and configured.type, configured.type)
    if kind == "none":
        return replace(template.graphics or configured, type=kind, listen=None)
    listen = template.graphics.listen if template.graphics else None
    listen = filling.choose("graphics.listen", listen, configured.listen, _LOOPBACK)
    return replace(template.graphics or configured, type=kind, listen=listen)
