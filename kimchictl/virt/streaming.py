"""Whether guests can boot from a URL: what libvirt accepts and what this qemu can open are two questions."""

import re
import shutil
import subprocess

from kimchictl.virt.connection import Host

# What libvirt takes as the protocol of a network disk: http, https, ftp, ftps since 0.9.x; tftp until 7.x only.
LIBVIRT_PROTOCOLS = ("ftp", "ftps", "http", "https")
_PATIENCE = 5.0


def qemu_protocols(host: Host) -> tuple[str, ...] | None:
    """The protocols that the host's qemu can open; None where that cannot be found out from here.

    Asked of qemu-img, which loads the same drivers: it says "Unknown protocol" before it would connect to anything.
    """
    program = shutil.which("qemu-img")
    if host.is_test or not host.is_local or program is None:
        return None
    return tuple(protocol for protocol in LIBVIRT_PROTOCOLS if _opens(program, protocol))


def _opens(program: str, protocol: str) -> bool:
    """Port 9 (discard) of this machine: nobody answers there, and nothing is sent."""
    try:
        asked = subprocess.run(  # noqa: S603 - no shell, a fixed program
            [program, "info", f"{protocol}://127.0.0.1:9/x"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return re.search(rb"[Uu]nknown (protocol|driver)", asked.stderr) is None
