"""Which protocols the host's qemu can open, asked once for each qemu and remembered.

    CACHE_DIR/streaming-HASH.json    {"at": seconds, "opens": [protocol...]} of one qemu

Only a yes is remembered: who has just installed the driver that was missing does not want to wait.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kimchictl import files
from kimchictl.errors import Invalid, KimchiError, TimedOut
from kimchictl.virt.capabilities import Machine, choose_machine, read_capabilities, versions
from kimchictl.virt.streaming import LIBVIRT_PROTOCOLS, opens_here, opens_there, qemu_stamp

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_KEPT = 86400.0  # seconds; what is installed on another host cannot be seen
DEBIAN_PACKAGE, OTHER_PACKAGE = "qemu-block-extra", "qemu-block-curl"


def openable(host: "Host", cache_dir: str, probe: bool = False) -> dict[str, bool | None]:
    """Of each protocol whether the host's qemu can open it, None: not known. `probe`: guests may be started for it."""
    return {protocol: can_open(host, protocol, cache_dir, probe) for protocol in LIBVIRT_PROTOCOLS}


def can_open(host: "Host", protocol: str, cache_dir: str, may_start: bool = False) -> bool | None:
    """Whether the host's qemu can open `protocol`; None: not known.

    Of this machine qemu-img tells; any other host must start a guest for it, paused, which takes `may_start`.
    """
    if host.driver != "qemu":
        return None
    here = host.is_local and qemu_stamp() is not None
    path = os.path.join(cache_dir, f"streaming-{_key(host, here)}.json")
    known = _recall(path)
    if protocol in known:
        return True
    if here:
        answer = opens_here(protocol)
    elif may_start and not host.readonly:
        answer = _started(host, protocol)
    else:
        answer = None
    if answer:
        _remember(path, [*known, protocol])
    return answer


def missing_driver(protocol: str, host: "Host") -> str:
    """A clause for a person: the host's qemu cannot open `protocol`, and which package brings the driver."""
    return f"qemu has no driver for {protocol} (package {missing_package(host)})"


def missing_package(host: "Host") -> str:
    """The package with qemu's driver for http, https and ftp, as the host's distribution calls it."""
    if not host.is_local:
        return f"{DEBIAN_PACKAGE} on Debian and Ubuntu, {OTHER_PACKAGE} elsewhere"
    return DEBIAN_PACKAGE if os.path.exists("/etc/debian_version") else OTHER_PACKAGE


def probe_machine(host: "Host") -> Machine:
    """The least machine that the host runs; an emulated one where it can, as KVM may be offered and not work."""
    offered = read_capabilities(host)
    try:
        return choose_machine(offered, None, "qemu")
    except Invalid:
        return choose_machine(offered, None)


def _started(host: "Host", protocol: str) -> bool | None:
    try:
        return opens_there(host, probe_machine(host), protocol)
    except (TimedOut, Invalid) as error:
        host.note(f"not known whether qemu can open {protocol}: {error}")
        return None


def _key(host: "Host", here: bool) -> str:
    """What an answer is true for: this machine's qemu, or another host with its versions."""
    parts = [qemu_stamp() or ""] if here else [host.uri, *versions(host)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _recall(path: str) -> tuple[str, ...]:
    """The protocols that are known to work."""
    try:
        with open(path, "rb") as file:
            content: Any = json.loads(file.read(1 << 16))
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(content, Mapping) or not isinstance(content.get("at"), int | float):
        return ()
    names = content.get("opens")
    if not 0 <= time.time() - content["at"] < _KEPT or not isinstance(names, list):
        return ()
    return tuple(name for name in LIBVIRT_PROTOCOLS if name in names)


def _remember(path: str, names: list[str]) -> None:
    """A cache that cannot be written costs another question, and nothing else."""
    with contextlib.suppress(KimchiError):
        files.make_directory(os.path.dirname(path))
        files.replace_file(path, json.dumps({"at": time.time(), "opens": names}).encode(), 0o600)
