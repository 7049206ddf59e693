"""Which file systems lie below a path, of which kind, and whether they answer.

The kernel's table (`/proc/self/mountinfo`, proc(5)) is read without touching a mount point, so that a dead server
cannot hang the reader. Where there is no such table, all is one file system of unknown kind and nothing is trusted.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

# File systems that are made up by the kernel: no image lies there, and reading them has side effects.
_VIRTUAL = """proc sysfs devtmpfs devpts cgroup cgroup2 securityfs debugfs tracefs pstore bpf configfs efivarfs mqueue
hugetlbfs fusectl rpc_pipefs nfsd binfmt_misc autofs nsfs selinuxfs smackfs resctrl binder sockfs pipefs"""
# Local file systems that keep mtime and ctime of a directory finely enough: only their stamps are believed.
_STAMPED = "ext2 ext3 ext4 xfs btrfs zfs f2fs jfs bcachefs tmpfs ramfs overlay"
_UNSTAMPED = "vfat msdos exfat ntfs ntfs3 iso9660 udf squashfs erofs hfsplus reiserfs minix ufs"
# linux/magic.h; of those that an installed system's root may lie on
_MAGIC = {
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x2FC12FC1: "zfs",
    0xF2F52010: "f2fs",
    0x01021994: "tmpfs",
    0x794C7630: "overlay",
}
VIRTUAL, STAMPED = frozenset(_VIRTUAL.split()), frozenset(_STAMPED.split())
_LOCAL = STAMPED | frozenset(_UNSTAMPED.split())


class Mount(NamedTuple):
    """A line of the table: where it is mounted, its kind ("ext4"), what is mounted ("/dev/sda1"), which part of it."""

    point: bytes
    kind: str
    source: str
    root: str
    device: str

    @property
    def virtual(self) -> bool:
        return self.kind in VIRTUAL

    @property
    def stamped(self) -> bool:
        return self.kind in STAMPED

    @property
    def local(self) -> bool:
        """No server and no user process stands behind it."""
        return self.kind in _LOCAL

    def row(self) -> list[str]:
        """What tells this mount from another at the same point, as texts (JSON).

        Not the device number, which a reboot may change; of a local file system its own id, which tells two sticks
        apart that were /dev/sdb1 one after the other.
        """
        fsid = 0
        if self.local:
            with contextlib.suppress(OSError):
                fsid = os.statvfs(self.point).f_fsid
        return [os.fsdecode(self.point), self.kind, self.source, self.root, f"{fsid:x}"]


_UNKNOWN = Mount(b"/", "unknown", "", "", "")


class Mounts:
    """The mount table at one moment, by mount point; of several mounts at one point the last one is seen."""

    def __init__(self, table: dict[bytes, Mount]) -> None:
        self._table = table

    @classmethod
    def read(cls, path: str = "/proc/self/mountinfo") -> "Mounts":
        try:
            with open(path, "rb") as file:
                table = parse_mountinfo(file.read())
        except OSError:
            return cls({})
        # In a chroot the table begins below the root.
        return cls(table if b"/" in table else {b"/": Mount(b"/", _kind_of_root(), "", "/", ""), **table})

    def covering(self, path: bytes) -> Mount:
        """The mount that `path` (absolute, without links) lies on."""
        while path not in self._table:
            if path in (b"/", b""):
                return _UNKNOWN
            path = os.path.dirname(path)
        return self._table[path]

    def below(self, path: bytes) -> dict[bytes, Mount]:
        """The mounts whose points lie strictly below `path`."""
        prefix = path.rstrip(b"/") + b"/"
        return {point: mount for point, mount in self._table.items() if point.startswith(prefix) and point != path}

    def may_hang(self) -> bool:
        """Is anything mounted that a server or a user process stands behind?"""
        return any(not (mount.local or mount.virtual) for mount in self._table.values()) or not self._table


def _kind_of_root() -> str:
    """The kind of the file system of "/" by its magic number (statfs(2)), or "unknown"."""
    import ctypes

    answer = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None).statfs(b"/", answer) != 0:
        return "unknown"
    magic = ctypes.c_uint32.from_buffer(answer, 0 if sys.byteorder == "little" else ctypes.sizeof(ctypes.c_long) - 4)
    return _MAGIC.get(magic.value, "unknown")


def parse_mountinfo(text: bytes) -> dict[bytes, Mount]:
    """Mount point -> Mount. The fields are those of proc(5); blanks in them are octal escapes."""
    table = {}
    for line in text.splitlines():
        left, _, right = line.partition(b" - ")
        fields, kind = left.split(b" "), right.split(b" ")
        if len(fields) < 5 or len(kind) < 2:
            continue
        point = _unescape(fields[4])
        device, root, source = (os.fsdecode(_unescape(part)) for part in (fields[2], fields[3], kind[1]))
        table[point] = Mount(point, os.fsdecode(kind[0]), source, root, device)
    return table


def _unescape(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    first, *rest = field.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8) & 0xFF]) + part[3:] for part in rest)


def answers(touch: Callable[[], object], seconds: float) -> bool:
    """Does `touch` come back within `seconds`? An error is an answer, too; the caller meets it when it looks itself."""
    from kimchictl.media.scan.watched import Stalled, watched

    def work(_tell: object) -> bytes:
        touch()
        return b""

    try:
        watched(work, seconds)
    except Stalled:
        return False
    return True
