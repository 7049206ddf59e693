"""kvm or qemu where nobody says: kvm where the host offers it and it works, which is tried out once a boot.

CACHE_DIR/kvm-HASH.json    the answer about one host, with its qemu, until it boots again or a day is over
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kimchictl import files
from kimchictl.actions.vms.create.plan_vm import Request
from kimchictl.errors import HostError, KimchiError, TimedOut
from kimchictl.virt.capabilities import Machine, choose_machine, read_capabilities, versions
from kimchictl.virt.domain.kvm import try_kvm
from kimchictl.virt.domain.machine import machine_type
from kimchictl.virt.stats import boot_id

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_KEPT = 86400.0  # seconds; modules are loaded and permissions change without a boot


@dataclass(frozen=True, slots=True)
class KvmAnswer:
    """Whether KVM works, and if not, why."""

    works: bool
    reason: str | None = None


def settle_virt_type(host: "Host", request: Request, cache_dir: str, may_try: bool) -> tuple[Request, str | None]:
    """`request` with virt type qemu where it says auto and KVM does not work, and a note that says so.

    Without `may_try` nothing is started: what is remembered counts, else KVM is taken to work, which the note says.
    """
    template = request.resolved.template
    if template.virt_type not in (None, "auto") or host.is_test:
        return request, None
    try:
        machine = choose_machine(read_capabilities(host), template.os_arch, "auto", template.machine)
    except HostError:
        raise
    except KimchiError:
        return request, None  # preflight says it, with all else that is wrong
    if machine.virt_type != "kvm":
        return request, None
    answer = kvm_answer(host, replace(machine, machine=machine_type(template, machine.arch)), cache_dir, may_try)
    if answer is None:
        return request, None if may_try else "not tried whether KVM works: a guest would have to be started for it"
    if answer.works:
        return request, None
    resolved = replace(request.resolved, template=replace(template, virt_type="qemu"))
    note = f"the host offers KVM, but it does not work ({answer.reason}): the guest is emulated, and slow"
    return replace(request, resolved=resolved), note


def kvm_answer(
    host: "Host", machine: Machine, cache_dir: str, may_try: bool = True, anew: bool = False
) -> KvmAnswer | None:
    """Whether KVM works for guests like `machine`: remembered, else (or `anew`) tried if allowed; None: open."""
    path = os.path.join(cache_dir, f"kvm-{_key(host, machine)}.json")
    known = None if anew else _recall(path)
    if known is not None or not may_try or host.readonly:
        return known
    try:
        reason = try_kvm(host, machine)
    except TimedOut as error:
        reason = str(error)
    answer = KvmAnswer(reason is None, reason)
    # A cache that cannot be written costs another try, and nothing else.
    with contextlib.suppress(KimchiError):
        files.make_directory(cache_dir)
        files.replace_file(path, json.dumps({"at": time.time(), "reason": reason}).encode(), 0o600)
    return answer


def _key(host: "Host", machine: Machine) -> str:
    """What the answer depends on; a host far away tells no boot."""
    boot = boot_id() if host.is_local else ""
    parts = [host.uri, boot, *versions(host), machine.arch, machine.emulator or ""]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _recall(path: str) -> KvmAnswer | None:
    """The answer in `path` if there is one that is not too old."""
    try:
        with open(path, "rb") as file:
            content: Any = json.loads(file.read(1 << 16))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, Mapping) or not isinstance(content.get("at"), int | float):
        return None
    reason = content.get("reason")
    if not 0 <= time.time() - content["at"] < _KEPT or not isinstance(reason, str | None):
        return None
    return KvmAnswer(reason is None, reason)
