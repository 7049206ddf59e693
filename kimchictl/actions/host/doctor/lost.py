"""The doctor's look at guests that libvirt has lost: qemu goes on, its disks open, and nothing of libvirt's reaches it.

That is what is left where libvirtd was killed and what it keeps in /run was, too. Asked for such a guest, libvirt says
that it is off, and starts it a second time.
"""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kimchictl.actions.host.findings import FAIL, OK, Finding
from kimchictl.actions.host.processes import identity
from kimchictl.errors import NotFound
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.listing import ACTIVE

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_MOST = 1 << 20  # bytes of a command line
_WORDS = re.compile(rb"\0-name\0guest=([^\0]*?)(?:,debug-threads=[^\0,]*)?\0.*?\0-uuid\0([0-9a-f-]{36})\0", re.DOTALL)
_OF_SYSTEM = (
    b"/var/lib/libvirt/qemu/domain-"  # where libvirt keeps the key of a guest; a session's is in its user's home
)
_OF_SESSION = b"/libvirt/qemu/lib/domain-"


class Process(NamedTuple):
    """A qemu that libvirt started; `start` tells which of two is the younger."""

    pid: int
    name: str
    uuid: str
    start: int


def lost_guests(host: "Host") -> list[Finding]:
    """The processes of guests that libvirt takes for off, or that it started anew beside them."""
    running: dict[str, list[Process]] = {}
    for process in _processes(host):
        running.setdefault(process.uuid, []).append(process)
    found = [each for uuid, row in running.items() for each in _unknown(host, uuid, row) if _is_there(each)]
    if not found:
        return [Finding("guests", OK, "libvirt knows each of its guests that run")]
    return [
        Finding(
            "guests",
            FAIL,
            f"process {each.pid} runs vm {each.name!r}, and libvirt has lost it: no verb stops it, its disks are open",
            f"kill {each.pid}",
        )
        for each in found
    ]


def _unknown(host: "Host", uuid: str, row: list[Process]) -> list[Process]:
    """libvirt has one process of a guest that is on: the youngest."""
    try:
        known = domains.state_of(host, domains.find_domain(host, uuid)) in ACTIVE
    except NotFound:
        known = False
    return sorted(row, key=lambda process: process.start)[: len(row) - known]


def _is_there(process: Process) -> bool:
    """One that was just being stopped is gone by now."""
    return (identity(process.pid) or {}).get("start") == process.start


def _processes(host: "Host") -> Iterator[Process]:
    """Those of this libvirt: not of another user's, nor in another PID namespace, which has one of its own."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid != os.geteuid() and os.geteuid() != 0:
                continue
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read(_MOST)
            said = _WORDS.search(line) if _is_of(host, line) else None
            if said is None or os.readlink(f"/proc/{name}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                continue
        except OSError:
            continue
        if whole := identity(int(name)):
            yield Process(
                int(name), said[1].decode("utf-8", "replace").replace(",,", ","), said[2].decode(), whole["start"]
            )


def _is_of(host: "Host", line: bytes) -> bool:
    if host.is_session:
        return _OF_SYSTEM not in line and _OF_SESSION in line
    return _OF_SYSTEM in line
