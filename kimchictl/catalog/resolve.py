"""A template with every default filled in, and where each value comes from.

    given           the file says so
    os              what its system recommended when it was made (the file says so, too)
    configuration   a key of [template] or [vm] in kimchictl.toml, a variable or an option
    built in        ours

A default never contradicts what is given: it is cut down to fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    "loongarch64": "virt",
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
    from kimchictl.catalog import options

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
    """One template on its way to being whole: takes the first value there is, and notes whose it was."""

    def __init__(self, template: Template) -> None:
        recommended = (template.made or {}).get("recommended")
        self.recommended = recommended if isinstance(recommended, dict) else {}
        self.origins: dict[str, str] = {}
        self.values: dict[str, Any] = {name: getattr(template, name) for name in _NAMES}

    def choose(self, key: str, given: Any, configured: Any, built_in: Any) -> Any:
        if given is not None:
            self.origins[key] = OS if key in self.recommended and self.recommended[key] == given else GIVEN
            return given
        if configured is not None:
            self.origins[key] = CONFIGURATION
            return configured
        self.origins[key] = BUILT_IN
        return built_in

    def follow(self, key: str, given: Any, leader: str, value: Any) -> Any:
        """A value that is another key's where it is not given."""
        if given is not None:
            return self.choose(key, given, None, None)
        self.origins[key] = self.origins.get(leader, BUILT_IN)
        return value


_NAMES = (*(key.name for key in TEMPLATE.keys), "extra")


def resolve(template: Template, defaults: Defaults) -> Resolved:
    """Fill in every default. `os_arch`, `cpu` and `max_*` of the host stay unknown until there is a host."""
    filling = _Filling(template)
    for fill in (_firmware, _memory, _cpus, _devices):
        fill(template, defaults, filling)
    origins = filling.origins
    for name in _NAMES:
        if name not in origins and name != "extra" and getattr(template, name) not in (None, ()):
            origins[name] = GIVEN
    return Resolved(Template(**filling.values), origins)


def _memory(template: Template, defaults: Defaults, filling: _Filling) -> None:
    memory, most = filling.choose("memory", template.memory, defaults.memory, _MEMORY), template.max_memory
    if most is not None and memory > most:
        memory = most
    filling.values["memory"] = memory
    filling.values["max_memory"] = filling.follow("max_memory", most, "memory", memory)


def _cpus(template: Template, defaults: Defaults, filling: _Filling) -> None:
    topology, most, leader = template.topology, template.max_vcpus, "vcpus"
    if topology is None:
        vcpus = filling.choose("vcpus", template.vcpus, defaults.vcpus, _VCPUS)
        most_by_default = vcpus = vcpus if most is None else min(vcpus, most)
    else:
        leader, most_by_default = "topology", topology.sockets * topology.cores * topology.threads
        filling.origins["topology"] = GIVEN
        vcpus = filling.follow("vcpus", template.vcpus, leader, most_by_default)
    filling.values["vcpus"] = vcpus
    filling.values["max_vcpus"] = filling.follow("max_vcpus", most, leader, most_by_default)


def _firmware(template: Template, defaults: Defaults, filling: _Filling) -> None:
    arch, values, choose = template.os_arch or "", filling.values, filling.choose
    must = template.secure_boot or arch in _UEFI_ONLY
    configured = None if must or arch in _MACHINES else defaults.firmware
    firmware = choose("firmware", template.firmware, configured, "uefi" if must else "bios")
    machine = _MACHINES.get(arch) or ("q35" if firmware == "uefi" or _is_current(template) else "pc")
    values["firmware"] = firmware
    values["machine"] = choose("machine", template.machine, None, machine)
    values["secure_boot"] = choose("secure_boot", template.secure_boot, None, False)
    values["tpm"] = choose("tpm", template.tpm, None, False)


def _is_current(template: Template) -> bool:
    """A system that nobody named is taken for an old one, which has no virtio drivers; but for machines that have no
    other devices."""
    return template.os_distro != "unknown" or template.os_arch in _MACHINES


def _devices(template: Template, defaults: Defaults, filling: _Filling) -> None:
    values, choose, current = filling.values, filling.choose, _is_current(template)
    bus = "virtio" if current else "ide" if values["machine"].startswith("pc") else "sata"
    values["disk_bus"] = choose("disk_bus", template.disk_bus, None, bus)
    values["nic_model"] = choose("nic_model", template.nic_model, None, "virtio" if current else "e1000")
    values["virt_type"] = choose("virt_type", template.virt_type, defaults.virt_type, "auto")
    if template.cpu is not None or defaults.cpu is not None:
        values["cpu"] = choose("cpu", template.cpu, defaults.cpu, None)
    disks = _ONE_DISK if template.disks is None else template.disks
    values["disks"] = tuple(_disk(disk, f"disks[{i}]", defaults, filling) for i, disk in enumerate(disks))
    values["networks"] = _networks(template, defaults, filling)
    values["graphics"] = _graphics(template.graphics, defaults, filling)


_ONE_DISK = (Disk(),)


def _disk(disk: Disk, key: str, defaults: Defaults, filling: _Filling) -> Disk:
    size, form, choose = disk.size, disk.format, filling.choose
    if disk.base is None:
        size = choose(f"{key}.size", size, defaults.disk_size, _DISK_SIZE)
        form = choose(f"{key}.format", form, defaults.disk_format, "qcow2")
    pool = choose(f"{key}.pool", disk.pool, defaults.pool, "default")
    bus = filling.follow(f"{key}.bus", disk.bus, "disk_bus", filling.values["disk_bus"])
    return Disk(size, form or "qcow2", pool, bus, disk.base, disk.extra)


def _networks(template: Template, defaults: Defaults, filling: _Filling) -> tuple[Network, ...]:
    configured = None if defaults.network is None else (defaults.network,)
    found = filling.choose("networks", template.networks, configured, _ONE_NETWORK)
    model = filling.values["nic_model"]
    return tuple(Network(one.type, one.name, one.model or model, one.extra) for one in found)


_ONE_NETWORK = (Network("network", "default"),)


def _graphics(given: Graphics | None, defaults: Defaults, filling: _Filling) -> Graphics:
    configured = defaults.graphics
    kind = filling.choose("graphics.type", given and given.type, configured and configured.type, "vnc")
    extra = given.extra if given else {}
    if kind == "none":
        return Graphics(kind, None, extra)
    listen = filling.choose("graphics.listen", given and given.listen, configured and configured.listen, _LOOPBACK)
    return Graphics(kind, listen, extra)
