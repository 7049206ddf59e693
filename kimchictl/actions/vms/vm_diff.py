"""What a VM differs in from the template that it was made of, as the template is now."""

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import GIVEN, OS, Resolved
from kimchictl.errors import WrongState
from kimchictl.units import format_size
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.definition import memory_mib, read_definition
from kimchictl.virt.domain.domainread import VmDisk, read_domain
from kimchictl.virt.xml import Element, serialize

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that differs: `key` as templates call it, and its value on both sides. Memory is MiB."""

    key: str
    template: Any
    vm: Any


def template_of(host: "Host", name: str) -> str:
    """The name of the template that it was made of. Raises NotFound, WrongState where it was of none."""
    found = domains.describe(host, name).origin.template
    if found is None:
        raise WrongState(
            f"vm {name!r} was not made of a template", f"kimchictl vm diff {quote(name)} --template T compares it"
        )
    return found


def diff_vm(host: "Host", name: str, resolved: Resolved) -> list[Drift]:
    """What differs in the VM's definition. What the template leaves to defaults of the host is not compared."""
    domain = domains.find_domain(host, name)
    root = read_definition(host, domain, secrets=False)
    template = resolved.template
    wanted, found = _wanted(resolved), _found(root, name)
    if template.cdrom and template.cdrom.startswith("pool:") and found["cdrom"]:
        found["cdrom"] = found["cdrom"].rpartition("/")[2]
    drift = [Drift(key, wanted[key], found[key]) for key in wanted if wanted[key] != found[key]]
    drift += _disks(domains.show_vm(host, name).disks, template)
    return drift


def _wanted(resolved: Resolved) -> dict[str, Any]:
    """Of the template, only what says something: its own words and its defaults, but for what a host decides."""
    template, said = resolved.template, resolved.origins
    shape = template.topology
    most = template.max_vcpus or template.vcpus
    graphics = template.graphics
    values: dict[str, Any] = {
        "memory": template.memory,
        "max_memory": template.max_memory or template.memory,
        "vcpus": template.vcpus,
        "max_vcpus": shape.sockets * shape.cores * shape.threads if shape else most,
        "topology": f"{shape.sockets},{shape.cores},{shape.threads}" if shape else None,
        "firmware": template.firmware or "bios",
        "tpm": bool(template.tpm),
        "graphics": _display(graphics.type, graphics.listen) if graphics else None,
    }
    if said.get("networks") in (GIVEN, OS):
        values["networks"] = [
            f"{each.type}={each.name}" if each.name else each.type for each in template.networks or ()
        ]
    if template.cdrom is None or "://" not in template.cdrom:  # one that is fetched has another name
        values["cdrom"] = _path(template.cdrom)
    return {key: value for key, value in values.items() if value is not None or key in ("topology", "cdrom")}


def _path(location: str | None) -> str | None:
    """A volume of a pool is known by its name: the definition has its path."""
    return location.rpartition("/")[2] if location and location.startswith("pool:") else location


def _found(root: Element, name: str) -> dict[str, Any]:
    said = read_domain(serialize(root), name)
    vcpu = root.find("vcpu")
    most = int((vcpu.text if vcpu is not None else None) or "1")
    shape = root.find("cpu/topology")
    media = [disk.source for disk in said.disks if disk.device == "cdrom" and disk.source]
    seed = (said.origin.seed or "").partition("/")[2]
    media = [each for each in media if not (seed and each.endswith("/" + seed))]
    return {
        "memory": memory_mib(root, "currentMemory") or memory_mib(root, "memory"),
        "max_memory": memory_mib(root, "memory"),
        "vcpus": int((vcpu.get("current") if vcpu is not None else None) or most),
        "max_vcpus": most,
        "topology": ",".join(shape.get(key) or "1" for key in ("sockets", "cores", "threads"))
        if shape is not None
        else None,
        "firmware": "uefi" if said.uefi else "bios",
        "tpm": said.tpm,
        "graphics": _display(said.graphics.type, said.graphics.listen) if said.graphics else "none",
        "networks": [f"{nic.type}={nic.name}" if nic.name else nic.type for nic in said.nics],
        "cdrom": media[0] if media else None,
    }


def _display(kind: str, listen: str | None) -> str:
    return kind if kind == "none" else f"{kind},{listen or '127.0.0.1'}"


def _disks(found: tuple[VmDisk, ...], template: Template) -> list[Drift]:
    """One by one, in their order; a disk upon a base may be larger than its template says."""
    own = [disk for disk in found if disk.device == "disk"]
    planned = template.disks or ()
    drift = []
    for index in range(max(len(own), len(planned))):
        wanted = planned[index] if index < len(planned) else None
        disk = own[index] if index < len(own) else None
        before = f"{wanted.size} GiB {wanted.format or 'qcow2'}" if wanted else None
        after = f"{format_size(disk.capacity)} {disk.format}" if disk else None
        if wanted and disk and _fits(disk, wanted.size, wanted.format, wanted.base is not None):
            continue
        drift.append(Drift(f"disks[{index}]", before, after))
    return drift


def _fits(disk: VmDisk, size: int | None, form: str | None, larger: bool) -> bool:
    """What is not known, as the image is not to be reached, is no difference."""
    if form is not None and disk.format != form:
        return False
    if size is None or disk.capacity is None:
        return True
    return disk.capacity == size * _GIB or (larger and disk.capacity > size * _GIB)
