"""The host's own disks and network, which libvirt does not count: from this machine's /proc and /sys.

Only hardware counts: the traffic of a bridge, a loop device or a volume group is that of what lies below it.
"""

import os

SECTOR = 512  # bytes, whatever the disk's own: Documentation/admin-guide/iostats.rst


def disks(proc: str = "/proc", sys: str = "/sys") -> dict[str, tuple[int, int]] | None:
    """Disk -> (bytes read, bytes written) since the start of the kernel; None where it does not tell."""
    found = {}
    for line in _lines(os.path.join(proc, "diskstats")) or []:
        words = line.split()
        if len(words) >= 10 and words[5].isdigit() and words[9].isdigit() and _is_disk(sys, words[2]):
            found[words[2]] = (int(words[5]) * SECTOR, int(words[9]) * SECTOR)
    return found or None


def nics(proc: str = "/proc", sys: str = "/sys") -> dict[str, tuple[int, int]] | None:
    """Interface -> (bytes received, bytes sent); None where the kernel does not tell."""
    found = {}
    for line in _lines(os.path.join(proc, "net/dev")) or []:
        name, colon, numbers = line.partition(":")
        words = numbers.split()
        if colon and len(words) >= 9 and words[0].isdigit() and words[8].isdigit():
            found[name.strip()] = (int(words[0]), int(words[8]))
    # In a container no interface has hardware behind it: then all but the loopback count.
    there = os.path.join(sys, "class/net")
    hardware = {name: pair for name, pair in found.items() if os.path.exists(os.path.join(there, name, "device"))}
    return hardware or {name: pair for name, pair in found.items() if name != "lo"} or None


def _is_disk(sys: str, name: str) -> bool:
    """A whole disk with hardware behind it, no partition: /sys/block/NAME/device."""
    return os.path.exists(os.path.join(sys, "block", name, "device"))


def _lines(path: str) -> list[str] | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20).splitlines()
    except OSError:
        return None
