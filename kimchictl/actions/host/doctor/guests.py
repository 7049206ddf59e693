"""The doctor's look at what guests need of the host."""

import os
import re
import socket
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kimchictl.actions.host.findings import FAIL, OK, WARN, Finding
from kimchictl.actions.vms.create.access import why_unreadable
from kimchictl.actions.vms.create.stream_support import missing_package, openable
from kimchictl.actions.vms.create.virt_type import kvm_answer
from kimchictl.errors import KimchiError, NotFound
from kimchictl.virt.capabilities import Machine, ask_features, choose_machine, read_capabilities, versions
from kimchictl.virt.diagnosis import join_group

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_MOST_FILES = 200
_QEMU_CONF = "/etc/libvirt/qemu.conf"
_LOG_SOCKETS = ("/run/libvirt/virtlogd-sock", "/var/run/libvirt/virtlogd-sock")
_CONTROLLERS = ("cpu", "cpuset", "memory")


def reachable(host: "Host") -> Finding:
    """libvirt answers; may we do more than look?"""
    libvirt, hypervisor = versions(host)
    there = f"libvirt {libvirt} and {host.driver} {hypervisor} at {host.uri}"
    if host.readonly:
        return Finding("libvirt", WARN, f"{there}, where you may only read", join_group())
    return Finding("libvirt", OK, there)


def kvm(host: "Host", cache_dir: str) -> list[Finding]:
    """Offered, working, and by a real processor? It is tried anew each time."""
    if host.is_test:
        return []
    machine = _machine(host)
    if machine.virt_type != "kvm":
        return [Finding("kvm", WARN, "KVM is not offered: guests are emulated, and slow", _how_to_get_kvm(host))]
    answer = kvm_answer(host, machine, cache_dir, anew=True)
    if answer is None:
        return [Finding("kvm", WARN, "KVM is offered; it cannot be tried over a read-only connection")]
    if not answer.works:
        message = f"KVM is offered, but does not work: {answer.reason}; guests are emulated, and slow"
        return [Finding("kvm", WARN, message, _how_to_repair_kvm(host, answer.reason or ""))]
    if host.is_local and machine.arch == "x86_64" and not _cpu_flags() & {"vmx", "svm"}:
        message = "KVM works, but not by the processor, which has neither VMX nor SVM: guests may be slow"
        return [Finding("kvm", WARN, message, "kimchictl template edit NAME --virt-type qemu may be faster")]
    return [Finding("kvm", OK, "KVM works")]


def _machine(host: "Host") -> Machine:
    """The host's own kind of machine."""
    found = choose_machine(read_capabilities(host), None)
    kind = "q35" if found.arch == "x86_64" else None
    return Machine(found.arch, found.virt_type, kind, found.emulator, dac=found.dac)


def _how_to_get_kvm(host: "Host") -> str:
    if not host.is_local:
        return "on the host: modprobe kvm_intel or kvm_amd"
    there = os.path.exists("/dev/kvm")
    if there and host.is_session and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return 'sudo usermod -aG kvm "$USER", and log in anew: this user may not open /dev/kvm'
    if not _cpu_flags() & {"vmx", "svm"}:
        return "switch virtualization on in the firmware; in a virtual machine, nested virtualization"
    if not there:
        return "modprobe kvm_intel || modprobe kvm_amd"
    return "systemctl restart libvirtd, so that it looks at /dev/kvm again"


def _how_to_repair_kvm(host: "Host", reason: str) -> str:
    """Where /dev/kvm is root's alone, libvirt asks qemu anew what it can do, each time."""
    if "ermission denied" in reason:
        return "chgrp kvm /dev/kvm && chmod 660 /dev/kvm, where guests run with the group kvm"
    return "dmesg | grep -i kvm" + ("" if host.is_local else " on the host")


def _cpu_flags() -> set[str]:
    """Those of the first processor."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            found = re.search(r"^(?:flags|Features)\s*:(.*)$", file.read(1 << 16), re.MULTILINE)
    except OSError:
        return set()
    return set(found[1].split()) if found else set()


def devices() -> Iterator[Finding]:
    """What virt-host-validate looks at and what matters here: devices and control groups of this machine."""
    missing = [path for path in ("/dev/net/tun", "/dev/vhost-net") if not _is_device(path)]
    if "/dev/net/tun" in missing:
        yield Finding("devices", WARN, "/dev/net/tun is missing: guests have no network but --network user",
                      "modprobe tun")  # fmt: skip
    if "/dev/vhost-net" in missing:
        yield Finding("devices", WARN, "/dev/vhost-net is missing: the guests' network is slower", "modprobe vhost_net")
    if not missing:
        yield Finding("devices", OK, "/dev/net/tun and /dev/vhost-net are there")
    lacking = [name for name in _CONTROLLERS if name not in _controllers()]
    if lacking:
        message = f"control groups lack {', '.join(lacking)}: what guests use cannot be limited"
        yield Finding("cgroups", WARN, message, "boot with cgroup_enable=memory, and mount /sys/fs/cgroup")
    else:
        yield Finding("cgroups", OK, f"control groups have {', '.join(_CONTROLLERS)}")


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False


def _controllers() -> set[str]:
    """Of control groups version 2, else of version 1, where /proc/cgroups has a line each: name, ..., enabled."""
    try:
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as file:
            if found := set(file.read(4096).split()):
                return found
    except OSError:
        pass  # version 1, or none
    try:
        with open("/proc/cgroups", encoding="ascii") as file:
            rows = [line.split() for line in file.read(1 << 16).splitlines()]
    except OSError:
        return set()
    return {row[0] for row in rows if len(row) == 4 and row[3] == "1"}


def firmware_and_tpm(host: "Host") -> Iterator[Finding]:
    """UEFI, secure boot and a TPM: current Windows needs all three."""
    if host.is_test:
        return
    machine = ask_features(host, _machine(host))
    if machine.features is None:
        yield Finding("firmware", WARN, "what firmware there is cannot be asked over this connection")
        return
    ovmf = "apt install ovmf, or dnf install edk2-ovmf"
    if not machine.offers("uefi"):
        yield Finding("firmware", WARN, "there is no UEFI firmware for guests", ovmf)
    elif machine.arch == "x86_64" and not machine.offers("secure-boot"):
        yield Finding("firmware", WARN, "there is UEFI firmware for guests, but none with secure boot", ovmf)
    else:
        yield Finding("firmware", OK, "there is UEFI firmware for guests")
    if machine.offers("tpm"):
        yield Finding("tpm", OK, "guests can have a TPM")
    else:
        yield Finding(
            "tpm", WARN, "guests cannot have a TPM", "apt install swtpm swtpm-tools, or dnf install swtpm-tools"
        )


def streaming(host: "Host", cache_dir: str) -> list[Finding]:
    """Can qemu open URLs?"""
    opened = openable(host, cache_dir, probe=True)
    if opened is None:
        return []
    if opened:
        return [Finding("streaming", OK, f"guests can boot from {', '.join(opened)}")]
    message = "qemu has no driver for http, https and ftp: images are fetched before a guest boots from them"
    return [Finding("streaming", WARN, message, f"install {missing_package(host)}")]


def guest_user(host: "Host", files: tuple[str, ...]) -> Iterator[Finding]:
    """As whom do guests run, and which of the `files` that templates name can they not read?"""
    user = (os.geteuid(), os.getegid()) if host.is_session else read_capabilities(host).qemu_user
    if user is None:
        yield Finding("guest user", WARN, "libvirt does not tell as whom guests run")
        return
    if user[0] == 0 and not host.is_session:
        message = "guests run as root: one that breaks out of qemu owns the host"
        yield Finding("guest user", WARN, message, f'user = "libvirt-qemu" in {_QEMU_CONF}')
        return
    problems = [found for path in files[:_MOST_FILES] if (found := _unreadable(path, user))]
    for problem in problems:
        yield Finding("guest user", FAIL, str(problem), problem.hint)
    if not problems:
        seen = sum(map(os.path.exists, files[:_MOST_FILES]))
        told = f", who can read {seen} image{'' if seen == 1 else 's'} of templates" if seen else ""
        yield Finding("guest user", OK, f"guests run as user {user[0]}, group {user[1]}{told}")


def _unreadable(path: str, user: tuple[int, int]) -> KimchiError | None:
    """A file that is gone is for `template check` to say; one that we may not look at, others may still read."""
    if os.path.exists(path):
        return why_unreadable(path, user)
    problem = why_unreadable(path, user) if user[0] == os.geteuid() else None
    return None if isinstance(problem, NotFound) else problem


def virtlogd(host: "Host") -> list[Finding]:
    """Without it each start of a guest waits for a minute, unless libvirt is told to write logs itself."""
    if host.is_session:
        return []
    if _writes_logs_itself():
        return [Finding("virtlogd", OK, "not needed: qemu's output goes to files")]
    if any(_answers(path) for path in _LOG_SOCKETS):
        return [Finding("virtlogd", OK, "virtlogd runs")]
    message = "virtlogd does not run: each start of a guest waits for it for a minute"
    fix = f'systemctl enable --now virtlogd.socket, or virtlogd -d, or stdio_handler = "file" in {_QEMU_CONF}'
    return [Finding("virtlogd", WARN if os.geteuid() else FAIL, message, fix)]


def _writes_logs_itself() -> bool:
    try:
        with open(_QEMU_CONF, encoding="utf-8", errors="replace") as file:
            return re.search(r'^\s*stdio_handler\s*=\s*"file"', file.read(1 << 20), re.MULTILINE) is not None
    except OSError:
        return False  # only root may read it, as a rule


def _answers(path: str) -> bool:
    """Whether somebody listens on a socket; one whom we may not talk to is there, too."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(2.0)
        try:
            caller.connect(path)
        except PermissionError:
            return True
        except OSError:
            return False
    return True
