"""What a guest is built of where its template leaves it open: machine type, buses, models, CPU.

Current systems get q35 with virtio; an unknown or old one gets what every system has had drivers for since the
nineties: pc with IDE and e1000. A template's own words always win.
"""

from dataclasses import dataclass, replace

from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid
from kimchictl.virt.capabilities import Machine, ask_features, canonical_arch, choose_machine, read_capabilities
from kimchictl.virt.connection import Host

X86 = ("x86_64", "i686")
_MACHINES = {
    "aarch64": "virt",
    "armv7l": "virt",
    "riscv64": "virt",
    "loongarch64": "virt",
    "ppc64": "pseries",
    "ppc64le": "pseries",
    "s390x": "s390-ccw-virtio",
}
_UEFI_ONLY = ("aarch64", "loongarch64")


@dataclass(frozen=True, slots=True)
class Hardware:
    """The decisions. `family` is pc, q35, virt, pseries or ccw; `cpu` a mode of libvirt, or a model."""

    arch: str
    virt_type: str
    emulator: str | None
    machine: str
    family: str
    firmware: str
    secure_boot: bool
    tpm: str | None
    cpu: str | None
    cdrom_bus: str
    disk_bus: str
    nic_model: str
    video: str
    dac: bool

    @property
    def is_x86(self) -> bool:
        return self.arch in X86


def find_machine(host: Host, template: Template, virt_type: str | None = None) -> Machine:
    """The machine of `host` for `template`, with its features; `virt_type` goes over the template's own.

    Raises Invalid where the host has none.
    """
    offered = choose_machine(
        read_capabilities(host), template.os_arch, virt_type or template.virt_type, template.machine
    )
    return ask_features(host, replace(offered, machine=machine_type(template, offered.arch)))


def choose_hardware(template: Template, machine: Machine) -> Hardware:
    """The hardware for a guest of `template` on `machine`. Raises Invalid where the two do not go together."""
    arch = _arch(template, machine)
    known = template.os_distro != "unknown"
    kind = machine.machine or machine_type(template, arch)
    family = _family(kind)
    firmware = template.firmware or default_firmware(arch)
    virtio = known or family not in ("pc", "q35")
    return Hardware(
        arch=arch,
        virt_type=machine.virt_type,
        emulator=machine.emulator,
        machine=kind,
        family=family,
        firmware=_checked_firmware(firmware, machine),
        secure_boot=_checked_secure_boot(template, firmware, machine),
        tpm=_tpm_model(template, arch, machine),
        cpu=_cpu(template, arch, machine),
        cdrom_bus={"pc": "ide", "q35": "sata"}.get(family, "scsi"),
        disk_bus=template.disk_bus or ("virtio" if virtio else "ide" if family == "pc" else "sata"),
        nic_model=template.nic_model or ("virtio" if virtio else "e1000"),
        video=_video(template, family, known, machine),
        dac=machine.dac,
    )


def _arch(template: Template, machine: Machine) -> str:
    """Without a host (`emulator` unknown) the template's own architecture is believed."""
    if machine.emulator is None and template.os_arch is not None and template.os_arch != "any":
        return canonical_arch(template.os_arch)
    return machine.arch


def machine_type(template: Template, arch: str) -> str:
    """The machine type for `template` on `arch`."""
    if template.machine:
        return template.machine
    if arch in X86:
        current = template.os_distro != "unknown" or template.firmware == "uefi" or template.secure_boot
        return "q35" if current else "pc"
    return _MACHINES.get(arch, "virt")


def wants_uefi(template: Template, machine: Machine) -> bool:
    """Whether a guest of `template` on `machine` has UEFI."""
    return (template.firmware or default_firmware(_arch(template, machine))) == "uefi"


def default_firmware(arch: str) -> str:
    """The firmware of a guest of `arch` whose template names none."""
    return "uefi" if arch in _UEFI_ONLY else "bios"


def _family(kind: str) -> str:
    if "q35" in kind:
        return "q35"
    if kind.startswith("pc") or kind == "isapc":
        return "pc"
    return "ccw" if "ccw" in kind else "pseries" if kind.startswith("pseries") else "virt"


def _checked_firmware(firmware: str, machine: Machine) -> str:
    if firmware == "uefi" and not machine.offers("uefi"):
        raise Invalid("firmware uefi is not installed on the host", "install ovmf (edk2-ovmf), or set --firmware bios")
    return firmware


def _checked_secure_boot(template: Template, firmware: str, machine: Machine) -> bool:
    if template.secure_boot and firmware != "uefi":
        raise Invalid(f"secure_boot needs firmware uefi, and it is {firmware}", "set --firmware uefi")
    if template.secure_boot and not machine.offers("secure-boot"):
        raise Invalid("the host has no firmware with secure boot", "install ovmf (edk2-ovmf)")
    return bool(template.secure_boot)


def _tpm_model(template: Template, arch: str, machine: Machine) -> str | None:
    if not template.tpm:
        return None
    if not machine.offers("tpm"):
        raise Invalid("a TPM is not offered by the host", "install swtpm and swtpm-tools on it")
    return {"x86_64": "tpm-crb", "i686": "tpm-tis", "ppc64": "tpm-spapr", "ppc64le": "tpm-spapr"}.get(arch, "tpm-tis")


def _cpu(template: Template, arch: str, machine: Machine) -> str | None:
    """host-model with KVM, all that the emulator can with TCG: the default, qemu64, is only x86-64-v1."""
    if template.cpu == "host-passthrough" and machine.virt_type == "qemu":
        raise Invalid("cpu host-passthrough needs KVM, and the virt type is qemu", "use cpu maximum")
    if template.cpu:
        return template.cpu
    if machine.virt_type == "kvm":
        # ARM's KVM knows no models.
        fits = arch not in ("aarch64", "armv7l") and machine.offers("cpu:host-model")
        return "host-model" if fits else "host-passthrough"
    if machine.virt_type == "qemu":
        return "maximum" if machine.offers("cpu:maximum") else None
    return None


def _video(template: Template, family: str, known: bool, machine: Machine) -> str:
    """virtio for systems that have a driver, which Windows and unknown ones do not; else plain VGA."""
    modern = known and family == "q35" and template.os_distro != "windows"
    if (modern or family not in ("pc", "q35")) and machine.offers("video:virtio"):
        return "virtio"
    return "vga"
