"""What a domain is, as a template: what a VM like it has to be given. Its disks come without what is on them."""

from dataclasses import replace

from kimchictl.catalog.records import Graphics, Network, Template
from kimchictl.virt import xml
from kimchictl.virt.domain.definition import memory_mib
from kimchictl.virt.domain.domainread import Description, VmNic, read_domain


def template_of(root: xml.Element, name: str) -> tuple[Template, tuple[str, ...]]:
    """The template of the domain `name`, without disks; and what of it no template can say, as sentences."""
    said = read_domain(xml.serialize(root), name)
    networks = tuple(found for nic in said.nics if (found := _network(nic)) is not None)
    notes = [f"interface {nic.mac} of type {nic.type} was left out" for nic in said.nics if _network(nic) is None]
    if said.uefi:
        notes.append(f"the firmware's variables of vm {name!r} stay behind")
    kind = root.find("os/type")
    machine = (kind.get("machine") or "") if kind is not None else ""
    template = Template(
        name,
        os_distro=said.origin.os_distro or "unknown",
        os_version=said.origin.os_version or "unknown",
        os_arch=kind.get("arch") if kind is not None else None,
        networks=networks,
        graphics=_graphics(said),
        firmware="uefi" if said.uefi else "bios",
        secure_boot=root.find("os/loader[@secure='yes']") is not None or None,
        tpm=said.tpm or None,
        machine="q35" if "q35" in machine else "pc" if machine.startswith("pc") else machine or None,
        virt_type="qemu" if root.get("type") == "qemu" else None,
    )
    return _with_resources(template, root), tuple(notes)


def _with_resources(template: Template, root: xml.Element) -> Template:
    most, now = memory_mib(root, "memory"), memory_mib(root, "currentMemory")
    count = root.find("vcpu")
    most_cpus = int(count.text or 1) if count is not None else 1
    cpus = int(count.get("current") or most_cpus) if count is not None else most_cpus
    return replace(
        template,
        memory=now or most,
        max_memory=most if now and now != most else None,
        vcpus=cpus,
        max_vcpus=most_cpus if cpus != most_cpus else None,
    )


def _network(nic: VmNic) -> Network | None:
    if nic.type == "user":
        return Network("user", None, nic.model)
    return Network(nic.type, nic.name, nic.model) if nic.type in ("network", "bridge") and nic.name else None


def _graphics(said: Description) -> Graphics:
    shown = said.graphics
    return Graphics(shown.type, shown.listen) if shown and shown.type in ("vnc", "spice") else Graphics("none")
