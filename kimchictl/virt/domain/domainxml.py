"""A template, its volumes and a machine -> <domain>, the document that libvirt is given. Pure: it asks nobody.

See https://libvirt.org/formatdomain.html.
"""

from kimchictl.catalog.records import Graphics, Template
from kimchictl.virt import xml
from kimchictl.virt.domain.devicexml import add_devices
from kimchictl.virt.domain.domainplan import DomainPlan
from kimchictl.virt.domain.machine import Hardware, choose_hardware
from kimchictl.virt.domain.metadata import Origin, add_metadata

CPU_MODES = ("host-model", "host-passthrough", "maximum")


def domain_xml(plan: DomainPlan) -> str:
    """The document. Raises Invalid for what cannot be built, such as a fifth IDE disk."""
    template, hardware = plan.template, choose_hardware(plan.template, plan.machine)
    domain = xml.Element("domain", type=hardware.virt_type)
    xml.add(domain, "name", plan.name)
    if plan.uuid:
        xml.add(domain, "uuid", plan.uuid)
    if plan.title:
        xml.add(domain, "title", plan.title)
    if plan.description:
        xml.add(domain, "description", plan.description)
    system = (template.os_distro, template.os_version, hardware.arch)
    add_metadata(domain, Origin(template.name, *system, seed=plan.seed))
    _add_resources(domain, template)
    _add_os(domain, plan, hardware)
    _add_features(domain, template, hardware)
    _add_cpu(domain, template, hardware)
    _add_clock(domain, template, hardware)
    xml.add(domain, "on_poweroff", "destroy")
    xml.add(domain, "on_reboot", "restart")
    xml.add(domain, "on_crash", "destroy")
    add_devices(xml.add(domain, "devices"), plan, hardware)
    return xml.serialize(domain)


def _add_resources(domain: xml.Element, template: Template) -> None:
    memory = template.memory or 1024
    xml.add(domain, "memory", template.max_memory or memory, unit="MiB")
    xml.add(domain, "currentMemory", memory, unit="MiB")
    vcpus, most = template.vcpus or 1, max_vcpus(template)
    xml.add(domain, "vcpu", most, placement="static", current=vcpus if vcpus != most else None)


def max_vcpus(template: Template) -> int:
    """The vcpus that a guest of `template` can be given while it runs."""
    shape = template.topology
    if shape is not None:
        return shape.sockets * shape.cores * shape.threads
    return template.max_vcpus or template.vcpus or 1


def _add_os(domain: xml.Element, plan: DomainPlan, hardware: Hardware) -> None:
    uefi = hardware.firmware == "uefi"
    system = xml.add(domain, "os", firmware="efi" if uefi else None)
    xml.add(system, "type", "hvm", arch=hardware.arch, machine=hardware.machine)
    if uefi and hardware.is_x86:
        # Left alone, libvirt takes the image with Microsoft's keys, and an unsigned installer does not boot.
        firmware, state = xml.add(system, "firmware"), "yes" if hardware.secure_boot else "no"
        xml.add(firmware, "feature", enabled=state, name="secure-boot")
        xml.add(firmware, "feature", enabled=state, name="enrolled-keys")
    if plan.disks:
        xml.add(system, "boot", dev="hd")
    if plan.media:
        xml.add(system, "boot", dev="cdrom")
    if not plan.media and not any(disk.base for disk in plan.disks):
        xml.add(system, "boot", dev="network")
    if hardware.is_x86 and not uefi and (plan.template.graphics or Graphics()).type == "none":
        # The boot loader's only screen. With a display besides, what writes to both would come out twice, interleaved,
        # and the firmware would take keys that a guest reads from its serial port.
        xml.add(system, "bios", useserial="yes")


def _add_features(domain: xml.Element, template: Template, hardware: Hardware) -> None:
    if not hardware.is_x86 and hardware.firmware != "uefi":
        return
    features = xml.add(domain, "features")
    xml.add(features, "acpi")
    if not hardware.is_x86:
        return
    xml.add(features, "apic")
    if hardware.arch == "i686":
        xml.add(features, "pae")
    if hardware.secure_boot:
        xml.add(features, "smm", state="on")
    if template.os_distro == "windows" and hardware.virt_type == "kvm":
        hyperv = xml.add(features, "hyperv", mode="custom")
        xml.add(hyperv, "relaxed", state="on")
        xml.add(hyperv, "vapic", state="on")
        xml.add(hyperv, "spinlocks", state="on", retries=8191)
    if hardware.machine != "isapc":
        xml.add(features, "vmport", state="off")


def _add_cpu(domain: xml.Element, template: Template, hardware: Hardware) -> None:
    if hardware.cpu is None and template.topology is None:
        return
    if hardware.cpu is None or hardware.cpu in CPU_MODES:
        cpu = xml.add(domain, "cpu", mode=hardware.cpu)
    else:
        cpu = xml.add(domain, "cpu", mode="custom", match="exact")
        xml.add(cpu, "model", hardware.cpu, fallback="forbid")
    if shape := template.topology:
        xml.add(cpu, "topology", sockets=shape.sockets, cores=shape.cores, threads=shape.threads)


def _add_clock(domain: xml.Element, template: Template, hardware: Hardware) -> None:
    windows = template.os_distro == "windows"
    clock = xml.add(domain, "clock", offset="localtime" if windows else "utc")
    if hardware.is_x86:
        xml.add(clock, "timer", name="rtc", tickpolicy="catchup")
        xml.add(clock, "timer", name="pit", tickpolicy="delay")
        xml.add(clock, "timer", name="hpet", present="no")
    if windows and hardware.virt_type == "kvm":
        xml.add(clock, "timer", name="hypervclock", present="yes")
