"""What a VM differs in from the template that it was made of, as the template is now."""

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.vms.create.base_image import base_volume, disk_size
from kimchictl.catalog.records import Disk, Template
from kimchictl.catalog.resolve import GIVEN, OS, Resolved
from kimchictl.errors import KimchiError, WrongState
from kimchictl.units import GIB, format_size
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.definition import memory_mib, read_definition
from kimchictl.virt.domain.domainread import VmDisk, read_domain
from kimchictl.virt.domain.machine import default_firmware
from kimchictl.virt.xml import Element, serialize

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


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
    wanted, found = _wanted(resolved, _arch(root)), _found(root, name)
    if template.cdrom and template.cdrom.startswith("pool:") and found["cdrom"]:
        found["cdrom"] = found["cdrom"].rpartition("/")[2]
    drift = [Drift(key, wanted[key], found[key]) for key in wanted if wanted[key] != found[key]]
    drift += _disks(host, domains.show_vm(host, name).disks, template)
    return drift


def _arch(root: Element) -> str:
    system = root.find("os/type")
    return (system.get("arch") if system is not None else None) or ""


def _wanted(resolved: Resolved, arch: str) -> dict[str, Any]:
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
        "firmware": template.firmware or default_firmware(arch),
        "secure_boot": bool(template.secure_boot),
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


# As it is asked for, and as libvirt writes what it chose.
_SECURE = ("os/firmware/feature[@name='secure-boot'][@enabled='yes']", "os/loader[@secure='yes']")


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
        "secure_boot": any(root.find(path) is not None for path in _SECURE),
        "tpm": said.tpm,
        "graphics": _display(said.graphics.type, said.graphics.listen) if said.graphics else "none",
        "networks": [f"{nic.type}={nic.name}" if nic.name else nic.type for nic in said.nics],
        "cdrom": media[0] if media else None,
    }


def _display(kind: str, listen: str | None) -> str:
    return kind if kind == "none" else f"{kind},{listen or '127.0.0.1'}"


def _disks(host: "Host", found: tuple[VmDisk, ...], template: Template) -> list[Drift]:
    """One by one, in their order."""
    own = [disk for disk in found if disk.device == "disk"]
    planned = template.disks or ()
    drift = []
    for index in range(max(len(own), len(planned))):
        wanted = planned[index] if index < len(planned) else None
        disk = own[index] if index < len(own) else None
        size = _planned_size(host, wanted) if wanted else None
        if wanted and disk and _fits(disk, size, wanted.format):
            continue
        before = f"{format_size(size)} {wanted.format or 'qcow2'}" if wanted else None
        after = f"{format_size(disk.capacity)} {disk.format}" if disk else None
        drift.append(Drift(f"disks[{index}]", before, after))
    return drift


def _planned_size(host: "Host", disk: Disk) -> int | None:
    """Bytes, as `vm create` would make it: never less than what it is made upon; None where that cannot be told."""
    if disk.base is None or host.is_test:
        return None if disk.size is None else disk.size * GIB
    try:
        return disk_size(disk, base_volume(host, disk.base))
    except KimchiError:
        return None


def _fits(disk: VmDisk, size: int | None, form: str | None) -> bool:
    """What is not known, as an image is not to be reached, is no difference."""
    if form is not None and disk.format != form:
        return False
    return None in (size, disk.capacity) or disk.capacity == size
