"""What libvirt defines and qemu does not start: models of CPUs and interfaces, buses, displays that are not there.

missing_devices      all that a template wants and its machine lacks
require_nic_model    the same for one interface
"""

import re
import subprocess
from collections.abc import Iterator

from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid, did_you_mean
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.connection import Host
from kimchictl.virt.domain.domainxml import CPU_MODES, max_vcpus

_PATIENCE = 5.0  # seconds; it takes a fortieth of one
_CPU_HINT = "leave --cpu out for one that fits; virsh domcapabilities lists the models"
_BOARDS = (
    "pc",
    "q35",
    "virt",
    "pseries",
    "s390-ccw",
)  # whose interfaces are all plugged in: others have chips of theirs
_USUAL = ("virtio", "e1000e", "e1000", "rtl8139", "vmxnet3")
_ALWAYS = "virtio"  # no qemu of these boards is without it: it need not be asked
_OF_LIBVIRT = ("virtio", "virtio-transitional", "virtio-non-transitional")  # its names for virtio-net-*
_NO_NICS = ("pvrdma", "rocker")  # RDMA and a switch, in qemu's list all the same
# What libvirt can give an address: -device help tells the bus of each.
_LISTED = re.compile(r'^name "([^"]+)", bus (?:PCI|spapr-vio-bus)(?:, alias "([^"]+)")?', re.MULTILINE)


def missing_devices(host: Host, template: Template, machine: Machine) -> list[Invalid]:
    """CPUs, buses, interfaces, displays of `template`, which is resolved, that `machine` of `host` lacks; each once."""
    found = [*_cpus(template, machine), *_buses(template, machine), *_displays(template, machine)]
    for model in dict.fromkeys(network.model for network in template.networks or () if network.model):
        try:
            require_nic_model(host, model, machine.machine, machine.emulator)
        except Invalid as error:
            found.append(error)
    return found


def _cpus(template: Template, machine: Machine) -> Iterator[Invalid]:
    models, model = _named(machine, "model:"), template.cpu
    if model and model not in CPU_MODES and models and model not in models:
        yield Invalid(f"the host has no cpu model {model!r}", did_you_mean(model, models, _CPU_HINT))
    wanted, most = max(template.vcpus or 0, max_vcpus(template)), machine.most_vcpus
    if most is not None and wanted > most:
        yield Invalid(f"vcpus {wanted} is above the {most} of machine {machine.machine!r}", "give it less with --vcpus")


def _buses(template: Template, machine: Machine) -> Iterator[Invalid]:
    offered = [name for name in _named(machine, "disk:") if name not in ("fdc", "sd")]
    for bus in dict.fromkeys(disk.bus or template.disk_bus for disk in template.disks or ()):
        if bus and offered and bus not in offered:
            yield Invalid(f"machine {machine.machine!r} has no disk bus {bus!r}", f"it has {', '.join(offered)}")


def _displays(template: Template, machine: Machine) -> Iterator[Invalid]:
    kind, offered = template.graphics.type if template.graphics else None, _named(machine, "graphics:")
    if kind and kind != "none" and offered and kind not in offered:
        has = [name for name in ("vnc", "spice") if name in offered]
        yield Invalid(f"the host's qemu has no display {kind!r}", f"--graphics {' or '.join([*has, 'none'])}")


def _named(machine: Machine, prefix: str) -> list[str]:
    return sorted(name.removeprefix(prefix) for name in machine.features or () if name.startswith(prefix))


def require_nic_model(host: Host, model: str, machine: str | None, emulator: str | None) -> None:
    """Raises Invalid where the emulator has no interface of `model`; of a host far away only a name can be judged."""
    if host.driver != "qemu" or not (machine or "").startswith(_BOARDS) or model == _ALWAYS:
        return
    have = nic_models(emulator) if host.is_local and emulator else ()
    if not have:
        if model not in (*_USUAL, *_OF_LIBVIRT):
            host.note(f"not checked whether the host's qemu has interfaces of model {model!r}")
    elif model not in have:
        usual = ", ".join(name for name in _USUAL if name in have)
        raise Invalid(
            f"the host's qemu has no interface of model {model!r}", did_you_mean(model, have, f"it has {usual}")
        )


def nic_models(emulator: str) -> tuple[str, ...]:
    """The models of interfaces of `emulator`, a file here, as libvirt names them; none where it does not tell."""
    try:
        asked = subprocess.run(  # noqa: S603 - no shell, the program that libvirt itself starts
            [emulator, "-machine", "none", "-device", "help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_devices(asked.stdout.decode("utf-8", "replace"))


def parse_devices(listing: str) -> tuple[str, ...]:
    """The interfaces in what qemu prints for `-device help`."""
    section = listing.partition("Network devices:\n")[2].partition("\n\n")[0]
    names = [name for pair in _LISTED.findall(section) for name in pair if name and name not in _NO_NICS]
    return (*(_OF_LIBVIRT if "virtio-net-" in section else ()), *names)
