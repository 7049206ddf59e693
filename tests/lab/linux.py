"""A small real Linux guest, for what only an operating system does: it takes and gives back devices that are plugged
into it, obeys the power button, has a guest agent, a DHCP client and drivers for a TPM and the variables of UEFI.

    make_linux(path)          an image like an installer's, which PC firmware boots and UEFI, with secure boot, too
    Console("web")            what one types there, and what it says: `.ask("nproc")`; see its init below

It is made of Debian's packages, which setup/check fetches and nobody installs: a signed shim, GRUB and kernel, and all
else in an initramfs that busybox is the most of. Its kernel is the one for clouds: it boots within two seconds
where nothing but an emulator runs it, and it has no driver for SATA.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import select
import stat
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Self

import pycdlib

from lab.images import relabel

LABEL = "Debian 12.5.0 amd64 n"
UP, BUTTON, AGENT = "LINUX-IS-UP", "POWER-BUTTON-PRESSED", "AGENT-ASKS-TO-SHUT-DOWN"
COMMAND_LINE = "console=ttyS0 quiet"

PACKAGES = Path(__file__).resolve().parents[2] / "build/guest-packages"  # setup/check puts them there

# With what they depend on, these are loaded in this order.
MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "sr_mod", "sd_mod", "virtio_console", "efivarfs"]
MODULES += ["virtio_balloon", "isofs", "button", "evdev"]

AGENT_LIBRARIES = ["libc.so.6", "libm.so.6", "libglib-2.0.so.0", "libgmodule-2.0.so.0", "libpcre2-8.so.0"]
AGENT_LIBRARIES += ["libudev.so.1", "libnuma.so.1", "liburing.so.2", "ld-linux-x86-64.so.2"]

# Lines on the console are commands: "NUMBER COMMAND" runs it and says "<NUMBER STATUS>" at the end. There is all that
# busybox has, and `total`, the MiB of memory, and `label DEVICE`, the first letters of an image's volume id.
INIT = f"""\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin
export PATH=/bin
for module in $(cat /modules/list); do insmod /modules/$module 2>/dev/null; done
[ -d /sys/firmware/efi ] && mount -t efivarfs efivarfs /sys/firmware/efi/efivars
dmesg -n 1
ip link set lo up
acpid
[ -d /sys/class/net/eth0 ] && ip link set eth0 up && udhcpc -q -b -i eth0 -s /etc/dhcp >/dev/null 2>&1 &
port=$(grep -lx org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name 2>/dev/null | cut -d/ -f5)
[ -z "$port" ] || qemu-ga -d -m virtio-serial -p /dev/$port
total() {{ awk '/MemTotal/ {{ print int($2 / 1024) }}' /proc/meminfo; }}
label() {{ dd if=$1 bs=1 skip=32808 count=6 2>/dev/null; }}
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
stty -echo -onlcr
echo {UP}
while read -r number command; do
    eval "$command"
    echo "<$number $?>"
done
"""

SCRIPTS = {
    "init": INIT,
    "etc/dhcp": '#!/bin/sh\n[ "$1" = bound ] && ip addr add $ip/$mask dev $interface\n',
    "etc/acpi/PWRF/00000080": f"#!/bin/sh\necho {BUTTON} > /dev/ttyS0\nsleep 0.2\npoweroff -f\n",
    # What the agent runs: -P, -H or -r tells what for.
    "bin/shutdown": f"#!/bin/sh\necho {AGENT} $2 > /dev/ttyS0\nsleep 0.2\n"
    "case $2 in -r) reboot -f ;; *) poweroff -f ;; esac\n",
}

DIRECTORIES = ["bin", "dev", "proc", "sys", "tmp", "mnt", "lib", "modules", "var", "var/run", "var/log", "etc"]
DIRECTORIES += ["etc/acpi", "etc/acpi/PWRF"]

ISOLINUX_CFG = f"default linux\nlabel linux\n kernel /linux\n initrd /initrd.gz\n append {COMMAND_LINE}\n"
GRUB_CFG = f"linux /linux {COMMAND_LINE}\ninitrd /initrd.gz\nboot\n"


def why_not() -> str | None:
    """Why the guest cannot be made here, or None."""
    whole = (PACKAGES / "made-of").exists()
    return None if whole else "the packages of the Linux guest are missing: setup/check downloads them"


def make_linux(path: Path) -> Path:
    """Writes the image of 25 MB; its path."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        tree = Path(place)
        for package in sorted(PACKAGES.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
        write_image(path, boot_files(tree), efi_partition(tree))
    relabel(path, volume_id=LABEL)
    return path


def boot_files(tree: Path) -> dict[str, bytes]:
    """What is in the image by its path there."""
    return {
        "isolinux.bin": (tree / "usr/lib/ISOLINUX/isolinux.bin").read_bytes(),
        "ldlinux.c32": (tree / "usr/lib/syslinux/modules/bios/ldlinux.c32").read_bytes(),
        "isolinux.cfg": ISOLINUX_CFG.encode(),
        "boot/grub/grub.cfg": GRUB_CFG.encode(),
        ".disk/info": b"A Linux guest\n",  # by this GRUB finds the medium
        "linux": found(tree, "boot/vmlinuz-*").read_bytes(),
        "initrd.gz": gzip.compress(initramfs(tree), 1),
    }


def efi_partition(tree: Path) -> bytes:
    """A FAT file system with the signed boot loaders; by the tools of the packages, for the file system is not ours."""
    programs = {
        "BOOTX64.EFI": tree / "usr/lib/shim/shimx64.efi.signed",
        "grubx64.efi": tree / "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
    }
    image = tree / "efi.img"
    image.write_bytes(bytes(6 << 20))

    def mtools(name: str, *arguments: str | Path) -> None:
        subprocess.run([tree / f"usr/bin/{name}", "-i", image, *arguments], check=True)

    mtools("mformat", "::")
    mtools("mmd", "::/EFI", "::/EFI/BOOT")
    for name, program in programs.items():
        mtools("mcopy", program, f"::/EFI/BOOT/{name}")
    return image.read_bytes()


def write_image(path: Path, files: dict[str, bytes], efi: bytes) -> None:
    """An ISO 9660 image with the names that Linux knows, and a boot entry for either firmware."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09")
    for directory in ("boot", "boot/grub", ".disk"):
        iso.add_directory(plain(directory), rr_name=directory.rpartition("/")[2])
    for name, content in {**files, "efi.img": efi}.items():
        iso.add_fp(io.BytesIO(content), len(content), f"{plain(name)};1", rr_name=name.rpartition("/")[2])
    bios = {"boot_load_size": 4, "boot_info_table": True, "rr_bootcatname": "boot.cat"}
    iso.add_eltorito("/ISOLINUX.BIN;1", "/BOOT.CAT;1", **bios)
    iso.add_eltorito("/EFI.IMG;1", efi=True, platform_id=0xEF)
    iso.write(str(path))
    iso.close()


def plain(name: str) -> str:
    """The name as ISO 9660 has it, without Rock Ridge."""
    return "/" + name.upper().lstrip(".")


def initramfs(tree: Path) -> bytes:
    """An archive in the format that the kernel unpacks; see its Documentation/driver-api/early-userspace."""
    archive = Archive()
    for directory in DIRECTORIES:
        archive.add(directory, stat.S_IFDIR)
    for link, target in (("sbin", "bin"), ("lib64", "lib")):
        archive.add(link, stat.S_IFLNK, target.encode())
    archive.add("dev/console", stat.S_IFCHR, device=(5, 1))
    for name, script in SCRIPTS.items():
        archive.add(name, stat.S_IFREG, script.encode())
    archive.add_file("bin/busybox", found(tree, "bin/busybox"))
    archive.add_file("bin/qemu-ga", found(tree, "usr/sbin/qemu-ga"))
    for name in AGENT_LIBRARIES:
        archive.add_file(f"lib/{name}", found(tree, f"**/x86_64-linux-gnu/{name}"))
    modules = in_order(tree)
    for module in modules:
        archive.add_file(f"modules/{module.name}", module)
    archive.add("modules/list", stat.S_IFREG, "\n".join(module.name for module in modules).encode())
    return archive.end()


def in_order(tree: Path) -> list[Path]:
    """The files of MODULES, each after those that it depends on."""
    files = {module.stem.replace("-", "_"): module for module in tree.glob("**/lib/modules/**/*.ko")}
    wanted: list[Path] = []

    def want(name: str) -> None:
        needed = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for each in needed[1].decode().replace("-", "_").split(",") if needed and needed[1] else ():
            want(each)
        if files[name] not in wanted:
            wanted.append(files[name])

    for name in MODULES:
        want(name)
    return wanted


def found(tree: Path, pattern: str) -> Path:
    """The one file; a library is a link to what is called after its version."""
    return next(tree.glob(pattern)).resolve(strict=True)


class Archive:
    """A cpio archive in the "newc" format."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._numbers = count(1)

    def add_file(self, name: str, file: Path) -> None:
        self.add(name, stat.S_IFREG, file.read_bytes())

    def add(self, name: str, kind: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        path = name.encode() + b"\0"
        fields = [next(self._numbers), kind | 0o755, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0]
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + path, content):
            self._out.write(part + bytes(-len(part) % 4))

    def end(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return self._out.getvalue()


class Console:
    """The serial console of a guest, by `kimchictl vm console`; to be used in a `with` block."""

    def __init__(self, name: str, *, start: bool = False) -> None:
        """With `start` the VM is started, and nothing that it says is missed."""
        words = ["vm", "start", name, "--console"] if start else ["vm", "console", name]
        self._command = [sys.executable, "-m", "kimchictl", *words]
        self._numbers = count(1)
        self._heard = b""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def greet(self) -> None:
        """Waits for an answer. What is typed before the console is open for certain may be lost, so it is repeated."""
        for left in reversed(range(12)):
            try:
                self.ask("true", seconds=5)
                return
            except AssertionError:
                if not left:
                    raise

    def ask(self, command: str, status: int = 0, seconds: float = 60) -> str:
        """What a command says there; fails where it ends with another status."""
        number = next(self._numbers)
        assert self._process.stdin
        self._process.stdin.write(f"{number} {command}\n".encode())
        self._process.stdin.flush()
        said, ended = self.hear(rf"(?s)^(.*)<{number} (\d+)>\n", seconds).groups()
        assert int(ended) == status, f"{command} ended with {ended}: {said}"
        return said.strip()

    def until(self, command: str) -> None:
        """Waits for the command to succeed."""
        self.ask(f"n=0; until {command}; do n=$((n + 1)); [ $n -lt 200 ] || break; sleep 0.1; done; [ $n -lt 200 ]")

    def hear(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Waits for what it says; what it said up to then is gone."""
        assert self._process.stdout
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self._heard.decode(errors="replace"))):
            assert time.monotonic() < end, f"{pattern!r} did not come: {self._heard!r}"
            if select.select([self._process.stdout], [], [], 0.2)[0]:
                data = os.read(self._process.stdout.fileno(), 65536)
                assert data, f"{pattern!r} did not come: {self._heard!r}"
                self._heard += data
        self._heard = self._heard.decode(errors="replace")[match.end() :].encode()
        return match
