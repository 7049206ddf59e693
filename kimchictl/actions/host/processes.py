"""A process and no other: the boot, the PID namespace and the time in which it began tell it from its namesakes.

    identity   of a process that is there
    is_alive   whether the process of an identity is still there
    can_tell   whether it could be seen if it were

An identity is plain data: it is kept in files.
"""

import contextlib
import os
from collections.abc import Mapping
from typing import Any


def identity(pid: int) -> dict[str, Any] | None:
    """What tells the process `pid` from all others: boot, PID namespace, number and start; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read(4096).rpartition(b")")[2].split()  # the command in brackets may hold anything: proc(5)
    except OSError:
        return None
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return {**_ground(), "pid": pid, "start": int(fields[19])}


def _ground() -> dict[str, str]:
    """Where process numbers mean something: this boot of this machine, in this PID namespace."""
    boot = ""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read(64).strip()
    try:
        return {"boot": boot, "namespace": os.readlink("/proc/self/ns/pid")}
    except OSError:
        return {"boot": boot, "namespace": ""}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Whether this very process is there to be seen."""
    pid = process.get("pid")
    return type(pid) is int and 0 < pid < 1 << 31 and identity(pid) == dict(process)


def can_tell(process: Mapping[str, Any]) -> bool:
    """Whether `process` would be seen if it were there: not so in another PID namespace, or where /proc hides it."""
    ground, pid = _ground(), process.get("pid")
    if process.get("boot") != ground["boot"] or type(pid) is not int or not 0 < pid < 1 << 31:
        return True
    if process.get("namespace") != ground["namespace"]:
        return False
    if os.path.exists(f"/proc/{pid}"):
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is another user's, and /proc is mounted with hidepid: proc(5)
        return False
    except OSError:
        return True
    return True
