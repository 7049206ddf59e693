"""Whether guests can boot from a URL: what libvirt accepts and what this qemu can open are two questions.

    libvirt_protocols   what libvirt would turn into a command line of qemu; nothing is started
    opens_here          asked of this machine's qemu-img, which loads the same drivers as the emulator
    opens_there         asked of any host: a guest is started, paused, and ended at once
    qemu_stamp          what an answer of `opens_here` is true for

Domain capabilities, `qemu-img --help` and defining a domain say yes to all of them, driver or not.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

from kimchictl.virt import xml
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.connection import Host, is_code
from kimchictl.virt.deadlines import within

LIBVIRT_PROTOCOLS = ("ftp", "ftps", "http", "https")
NAME = "kimchictl-stream-probe"

_PATIENCE = 5.0  # seconds, for qemu-img
_START_PATIENCE = 30.0
_MEMORY = 32  # MiB
_NOWHERE = ("127.0.0.1", 9)  # discard: nobody answers there, and nothing is sent
_MODULES = ("/usr/lib/x86_64-linux-gnu/qemu", "/usr/lib/aarch64-linux-gnu/qemu", "/usr/lib/qemu", "/usr/lib64/qemu")
_UNKNOWN = re.compile(r"[Uu]nknown (protocol|driver)|[Ii]nvalid driver|is not supported with this QEMU")


def libvirt_protocols(host: Host, machine: Machine) -> tuple[str, ...]:
    """The protocols that libvirt accepts for a network disk; those it has had for long where it does not say."""
    accepted = []
    for protocol in LIBVIRT_PROTOCOLS:
        try:
            host.conn.domainXMLToNative("qemu-argv", probe_xml("probe", machine, protocol), 0)
        except host.lib.libvirtError as error:
            if is_code(error, "CONFIG_UNSUPPORTED", "XML_ERROR", "XML_DETAIL"):
                continue
        accepted.append(protocol)
    return tuple(accepted)


def opens_here(protocol: str) -> bool | None:
    """Whether this machine's qemu has a driver for `protocol`; None where there is no qemu-img or it does not answer.

    It says "Unknown protocol" before it would connect to anything.
    """
    program = shutil.which("qemu-img", path=_path())
    if program is None:
        return None
    try:
        asked = subprocess.run(  # noqa: S603 - no shell, a fixed program
            [program, "info", f"{protocol}://{_NOWHERE[0]}:{_NOWHERE[1]}/x"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env={"LC_ALL": "C", "PATH": _path()},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _UNKNOWN.search(asked.stderr.decode("utf-8", "replace")) is None


def qemu_protocols(host: Host) -> tuple[str, ...] | None:
    """The protocols that the host's qemu can open; None where that cannot be found out from here."""
    if host.is_test or not host.is_local:
        return None
    answers = {protocol: opens_here(protocol) for protocol in LIBVIRT_PROTOCOLS}
    if None in answers.values():
        return None
    return tuple(protocol for protocol, answer in answers.items() if answer)


def qemu_stamp() -> str | None:
    """This machine's qemu as one line: the program and the directories of its drivers. None where there is none."""
    program = shutil.which("qemu-img", path=_path())
    return None if program is None else "\n".join(_stamps((program, *_MODULES)))


def _stamps(paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        yield f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/bin:/bin:/usr/local/bin"


def opens_there(host: Host, machine: Machine, protocol: str) -> bool | None:
    """Whether the qemu of `host` has a driver for `protocol`; None where its answer tells nothing. Raises TimedOut.

    The guest never runs, and libvirt ends it when this connection breaks.
    """
    what = f"host {host.uri}: a guest to try {protocol} with"
    return within(_START_PATIENCE, what, lambda: _try(host, machine, protocol))


def _try(host: Host, machine: Machine, protocol: str) -> bool | None:
    flags = host.flag("DOMAIN_START_PAUSED") | host.flag("DOMAIN_START_AUTODESTROY")
    name = f"{NAME}-{os.getpid()}"  # two of one name are refused
    try:
        domain = host.conn.createXML(probe_xml(name, machine, protocol), flags)
    except host.lib.libvirtError as error:
        message = str(error.get_error_message() or error)
        if _UNKNOWN.search(message):
            return False
        return True if "CURL:" in message else None
    try:
        domain.destroy()
    except host.lib.libvirtError as error:
        if not is_code(error, "NO_DOMAIN", "OPERATION_INVALID"):
            host.note(f"the guest that {protocol} was tried with could not be ended: {error}")
    return True


def probe_xml(name: str, machine: Machine, protocol: str) -> str:
    """The least guest with a CD-ROM behind a URL."""
    domain = xml.Element("domain", type=machine.virt_type)
    xml.add(domain, "name", name)
    xml.add(domain, "memory", _MEMORY, unit="MiB")
    xml.add(domain, "vcpu", 1)
    xml.add(xml.add(domain, "os"), "type", "hvm", arch=machine.arch, machine=machine.machine)
    devices = xml.add(domain, "devices")
    if machine.emulator:
        xml.add(devices, "emulator", machine.emulator)
    disk = xml.add(devices, "disk", type="network", device="disk")
    xml.add(disk, "driver", name="qemu", type="raw")
    source = xml.add(disk, "source", protocol=protocol, name="/x")
    xml.add(source, "host", name=_NOWHERE[0], port=_NOWHERE[1])
    xml.add(disk, "target", dev="vda", bus="virtio")
    xml.add(disk, "readonly")
    xml.add(devices, "memballoon", model="none")
    return xml.serialize(domain)
