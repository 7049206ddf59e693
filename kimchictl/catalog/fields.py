"""Every key of a template and of a known distro: the one definition behind files, options, editor, import and schema.

    TEMPLATE   the record of a template file
    DISTRO     the same keys for a known distro: it must name an image, and has no `made`

Sizes are MiB for memory and GiB for disks, as virt-install has them; the contract of the keys is template(5).
"""

from typing import Any

from kimchictl.catalog.kinds import Address, Choice, Flag, Free, Integer, Key, Listing, Record, Text, Wrong
from kimchictl.catalog.records import Disk, Graphics, Network, Template, Topology

MIN_MEMORY, MAX_MEMORY = 512, 4 << 20
MAX_CPUS = 1024
MAX_DISK = 1 << 20

FORMATS = ("qcow2", "raw", "vmdk", "qcow", "qed", "vpc")
BUSES = ("virtio", "scsi", "sata", "ide", "usb")

_PORT = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
# RFC 3986, without a user part: a password does not belong in a file that others read.
_URL = rf"(?:https?|ftps?)://(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]\\<>\"]+)(?::{_PORT})?(?:[/?][^\s#]*)?"
_LOCAL = r"/.*|pool:[^/]+/.+"
_STEP = r"(?!\.{1,2}(?:/|$))[^/]+"

NAME = Text(200, r"[^\s-](?:.*\S)?", "a name that starts with neither a blank nor '-' and does not end with a blank")
URL = Text(4096, _URL, "a URL of http, https, ftp or ftps, without a password in it")
SOURCE = Text(
    4096,
    f"{_LOCAL}|{_URL}",
    "an absolute path, pool:POOL/VOLUME or a URL of http, https, ftp or ftps without a password in it",
)
_IMAGE = Text(4096, _LOCAL, "an absolute path or pool:POOL/VOLUME")
_CHECKSUM = Text(4096, rf"sha256:[0-9a-fA-F]{{64}}|{_URL}", "sha256:HEX or the URL of a sums file")
_WORD = Text(64, r"[A-Za-z0-9][A-Za-z0-9_.+-]*", "a word of letters, digits, '_', '.', '+' and '-'")
_FOLDER = Text(1024, f"{_STEP}(?:/{_STEP})*", "names with '/' between them")
_CPUS = Integer(1, MAX_CPUS)


def _agree_network(network: Network) -> None:
    if network.type == "user" and network.name is not None:
        raise Wrong(network.name, "cannot be given with type user").inside("name")
    if network.type != "user" and network.name is None:
        raise Wrong("name", f"is missing: which {network.type}?")


def _agree_graphics(graphics: Graphics) -> None:
    if graphics.type == "none" and graphics.listen is not None:
        raise Wrong(graphics.listen, "cannot be given with type none").inside("listen")


def _agree_disk(disk: Disk) -> None:
    if disk.base is not None and disk.format not in (None, "qcow2"):
        raise Wrong(disk.format, "cannot be backed by a base: only qcow2 can").inside("format")


DISK = Record(
    (
        Key("size", Integer(1, MAX_DISK, "GiB"), "size in GiB; with a base never below the base's own size"),
        Key("format", Choice(FORMATS), "format of the volume"),
        Key("pool", Text(255), "storage pool that holds it"),
        Key("bus", Choice(BUSES), "bus it is attached to; the template's disk_bus where it is absent"),
        Key("base", _IMAGE, "image that backs the disk; it is never written"),
    ),
    Disk,
    agree=_agree_disk,
)
NETWORK = Record(
    (
        Key(
            "type",
            Choice(("network", "bridge", "user")),
            "a libvirt network, a bridge of the host, or qemu's user networking",
        ),
        Key("name", Text(255), "name of the network or the bridge"),
        Key("model", _WORD, "model of the interface; the template's nic_model where it is absent"),
    ),
    Network,
    short=lambda name: {"type": "network", "name": name},
    agree=_agree_network,
)
GRAPHICS = Record(
    (
        Key("type", Choice(("vnc", "spice", "none")), "protocol of the display"),
        Key("listen", Address(), "literal address it listens on"),
    ),
    Graphics,
    agree=_agree_graphics,
)
TOPOLOGY = Record(
    (
        Key("sockets", _CPUS, "CPU sockets"),
        Key("cores", _CPUS, "cores of a socket"),
        Key("threads", _CPUS, "threads of a core"),
    ),
    Topology,
)

_SHARED = (
    Key("name", NAME, "the name; at most 200 bytes", required=True),
    Key(
        "os_distro",
        Text(64, r"\S+(?: \S+)*", "a name without blanks at its ends"),
        "libosinfo's distribution id, windows, arch, or unknown",
    ),
    Key(
        "os_version",
        Text(64, r"\S+(?: \S+)*", "a version without blanks at its ends"),
        "version of the system, or unknown",
    ),
    Key("os_arch", _WORD, "architecture, as libvirt names it (x86_64, aarch64...)"),
    Key(
        "cdrom",
        SOURCE,
        "path, pool:POOL/VOLUME or URL of the installation image; null boots from the network",
        nullable=True,
    ),
    Key("mirrors", Listing(URL, 64), "other URLs of the same image, tried in this order"),
    Key("checksum", _CHECKSUM, "sha256:HEX of the image, or the URL of a sums file"),
    Key("icon", Text(1024), "name or path of an icon"),
    Key("folder", _FOLDER, "folder it is shown in, like A/B"),
    Key("description", Text(8192, lines=True), "free text"),
    Key("memory", Integer(MIN_MEMORY, MAX_MEMORY, "MiB"), "memory in MiB at start"),
    Key(
        "max_memory",
        Integer(MIN_MEMORY, MAX_MEMORY, "MiB"),
        "memory in MiB that it can grow to; follows memory where it is absent",
    ),
    Key("vcpus", _CPUS, "virtual CPUs at start"),
    Key("max_vcpus", _CPUS, "virtual CPUs that it can grow to; follows vcpus, or the topology, where it is absent"),
    Key("topology", TOPOLOGY, "CPU topology; its product is max_vcpus"),
    Key("disks", Listing(DISK, 256), "disks, in order"),
    Key("networks", Listing(NETWORK, 64), "network interfaces, in order; a bare text is the name of a libvirt network"),
    Key("graphics", GRAPHICS, "display"),
    Key("firmware", Choice(("bios", "uefi")), "firmware"),
    Key("secure_boot", Flag(), "UEFI secure boot"),
    Key("tpm", Flag(), "emulated TPM 2.0"),
    Key("cpu", _WORD, "CPU model: host-model, maximum or a model's name"),
    Key("machine", _WORD, "machine type: q35, pc, virt..."),
    Key("virt_type", Choice(("auto", "kvm", "qemu")), "kvm, qemu, or kvm where it is offered and works"),
    Key("disk_bus", Choice(BUSES), "bus of disks that name none"),
    Key("nic_model", _WORD, "model of interfaces that name none"),
    Key("cloud_init", _IMAGE, "path of cloud-init user data"),
)
_MADE = Key(
    "made", Free(), "where it came from: by, at, image {size, mtime, volume_id}; left out of comparisons and exports"
)


def agree(template: Template) -> None:
    """Check the keys of a template against each other. Raises Wrong."""
    _agree_memory(template)
    if template.topology is not None or template.max_vcpus is not None:
        _agree_cpus(template)
    if template.firmware is not None or template.secure_boot or template.machine is not None:
        _agree_firmware(template)


def _agree_memory(template: Template) -> None:
    if template.memory is not None and template.max_memory is not None and template.memory > template.max_memory:
        raise Wrong(template.memory, f"MiB is above max_memory {template.max_memory} MiB").inside("memory")


def _agree_cpus(template: Template) -> None:
    topology, most = template.topology, template.max_vcpus
    if topology is not None:
        product = topology.sockets * topology.cores * topology.threads
        shape = f"{topology.sockets} sockets x {topology.cores} cores x {topology.threads} threads = {product}"
        if product > MAX_CPUS:
            raise Wrong(product, f"is above the maximum of {MAX_CPUS} virtual CPUs: {shape}").inside("topology")
        if most is not None and most != product:
            raise Wrong(most, f"is not the product of the topology, {shape}").inside("max_vcpus")
        if template.vcpus is not None and template.vcpus % topology.threads:
            raise Wrong(template.vcpus, f"is not a multiple of the topology's {topology.threads} threads").inside(
                "vcpus"
            )
        most = product
    if template.vcpus is not None and most is not None and template.vcpus > most:
        raise Wrong(template.vcpus, f"is above max_vcpus {most}").inside("vcpus")


def _agree_firmware(template: Template) -> None:
    machine = template.machine or ""
    if template.secure_boot and template.firmware == "bios":
        raise Wrong(True, "needs firmware uefi, and firmware is bios").inside("secure_boot")
    if template.secure_boot and (machine == "pc" or machine.startswith("pc-i440fx")):
        raise Wrong(True, f"needs machine q35, and machine is {machine}").inside("secure_boot")
    if template.firmware == "uefi" and template.os_arch in ("s390x", "s390", "ppc64", "ppc64le", "ppc", "sparc64"):
        raise Wrong("uefi", f"does not exist for os_arch {template.os_arch}").inside("firmware")
    if template.firmware == "bios" and template.os_arch in ("aarch64", "riscv64", "loongarch64"):
        raise Wrong("bios", f"does not exist for os_arch {template.os_arch}").inside("firmware")
    if "q35" in machine:
        _agree_buses(template)


def _agree_buses(template: Template) -> None:
    buses = {f"disks[{index}].bus": disk.bus for index, disk in enumerate(template.disks or ())}
    for key, bus in {"disk_bus": template.disk_bus, **buses}.items():
        if bus == "ide":
            raise Wrong("ide", f"is no bus of machine {template.machine}: use sata").inside(key)


TEMPLATE = Record((*_SHARED, _MADE), Template, agree=agree)
HIDDEN = "hidden"
_HIDE = Key(HIDDEN, Flag(), "true hides a distro of the same name of a lower layer")


def _distro(hidden: bool = False, extra: dict[str, Any] | None = None, **values: Any) -> Template:
    """A distro is a template's record; that it is hidden is kept beside the keys that only files know."""
    return Template(**values, extra={**(extra or {}), HIDDEN: True} if hidden else extra or {})


_IMAGE_NAMED = (Key(key.name, key.kind, key.meaning, required=True) if key.name == "cdrom" else key for key in _SHARED)
DISTRO = Record((*_IMAGE_NAMED, _HIDE), _distro, agree=agree)
KEYS = {key.name: key for key in TEMPLATE.keys}
