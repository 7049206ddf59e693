"""Mounts whose locks end at this host, though other hosts share the files."""

import os

from kimchictl.errors import Failed

_local_only: dict[int, str | None] = {}


def refuse_local_locks(path: str, device: int) -> None:
    """Raises Failed when `path`, on `device`, is shared with other hosts by a mount that keeps its locks to itself."""
    if os.major(device):  # a disk of this host's own
        return
    if device not in _local_only:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
                _local_only[device] = local_locks(table.read(1 << 22), device)
        except OSError:
            _local_only[device] = None
    if option := _local_only[device]:
        raise Failed(
            f"the locks on {path} would not be seen by the other hosts that share it: it is mounted with {option}",
            f"mount it without {option}, or keep it on a file system of this host",
        )


def local_locks(mountinfo: str, device: int) -> str | None:
    """The option of the mount of `device` that keeps flock to this host, else None: proc(5) mountinfo, nfs(5)."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if before.split(" ")[2:3] != [wanted] or not after.startswith(("nfs ", "nfs4 ")):
            continue
        for option in after.split(" ")[-1].split(","):
            if option in ("nolock", "local_lock=flock", "local_lock=all"):
                return option
    return None
