"""Who holds a lock, for the message of those who wait in vain."""

import contextlib
import os
import re
import sys

from kimchictl.errors import without_password

_WRITTEN = re.compile(r"(\d{1,10}) (\S+) (.*)")
_KERNEL_LOCK = re.compile(r"^\d+: FLOCK +\S+ +\S+ (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


def describe_holder(fd: int) -> str:
    """Who holds the flock on the file open as `fd`, for a sentence: "process 17 (kimchictl iso scan)"."""
    match = _WRITTEN.match(os.pread(fd, 4096, 0).decode("utf-8", "replace"))
    pid, host, command = (int(match[1]), match[2], match[3]) if match else (0, "", "")
    holding = _flock_pids(os.fstat(fd))
    if pid in holding:
        return f"process {pid} ({command})"
    if holding:  # a reader, who writes nothing, or one who has not written yet
        return f"process {holding[0]} ({_command_of(holding[0])})"
    if pid and (host != _host() or not os.path.exists(f"/proc/{pid}")):
        return f"a process that cannot be seen from here; process {pid} on {host} ({command}) was the last to say so"
    return "another process, which cannot be told from here"


def write_holder(fd: int) -> None:
    """Notes this process in its lock file. A full disk does not matter: `describe_holder` asks the kernel first."""
    text = f"{os.getpid()} {_host()} {_printable(' '.join([os.path.basename(sys.argv[0]), *sys.argv[1:]]))}\n"
    with contextlib.suppress(OSError):
        data = text.encode()
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))


def _flock_pids(status: os.stat_result) -> list[int]:
    """The processes which hold a flock on the file of `status`, as the kernel tells, but for those it hides from us."""
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as table:
            found = _KERNEL_LOCK.findall(table.read(1 << 22))
    except OSError:
        return []
    same = [entry for entry in found if int(entry[3]) == status.st_ino and int(entry[0]) > 0]
    device = (os.major(status.st_dev), os.minor(status.st_dev))
    # The kernel gives the superblock's device; stat(2) on btrfs and overlayfs another one: there the inode must do.
    exact = [entry for entry in same if (int(entry[1], 16), int(entry[2], 16)) == device]
    return [int(entry[0]) for entry in exact or same]


def _command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return _printable(line.read(4096).rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace"))
    except OSError:
        return "its command is unknown"


def _printable(command: str) -> str:
    """At most 200 characters of `command` on one line, passwords in URLs left out."""
    clean = without_password(command)[:200]
    return "".join(character if character.isprintable() else "?" for character in clean)


def _host() -> str:
    return os.uname().nodename.replace(" ", "-") or "-"
