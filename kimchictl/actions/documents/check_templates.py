"""Is what templates name still there, and can the host run it? Each finding names its fix; nothing is changed.

files      missing, changed since, incomplete, not bootable by the template's firmware
host       pools and networks, whether guests may read the files, architecture, firmware, TPM, memory
network    images behind URLs, all at once, each within a deadline (actions.distro_check)
"""

import os
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.documents.host_names import memory_problem
from kimchictl.actions.documents.marks import files_of, look_at, problems_of
from kimchictl.actions.documents.provenance import image_of
from kimchictl.actions.host.findings import FAIL, OK, WARN, Finding
from kimchictl.catalog.parse import unknown_keys
from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import BUILT_IN, GIVEN, Defaults, Resolved, resolve
from kimchictl.errors import HostError, KimchiError, NotFound
from kimchictl.media.probe import probe_path
from kimchictl.media.records import Image
from kimchictl.store import Document

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def check_templates(
    found: Sequence[tuple[Document, Template]],
    defaults: Defaults,
    host: "Host | None",
    local: bool,
    urls: Mapping[str, tuple[str, str]],
) -> list[Finding]:
    """The findings about each template, in order; one that says so for a template where nothing is wrong.

    `host` None: what only a host can tell is left out. `local`: paths are this machine's. `urls` is what was found
    out about images behind URLs, by the template's name: (status, message).
    """
    statuses = look_at(path for _, template in found for path in files_of(template).paths) if local else {}
    about_host = _About(host) if host is not None else None
    findings = []
    for document, template in found:
        resolved = resolve(template, defaults)
        whole = resolved.template
        own = [Finding(template.name, WARN, f"unknown key {key!r}") for key in sorted(unknown_keys(document.data))]
        if local:
            own += _files(template, whole, problems_of(files_of(template), statuses))
        if template.name in urls and urls[template.name][0] != OK:
            own.append(Finding(template.name, *urls[template.name], fix=_edit(template, "--cdrom SOURCE")))
        if about_host is not None:
            own += about_host.findings(template, resolved)
        findings += own or [Finding(template.name, OK, "all that it names is there")]
    return findings


def _edit(template: Template, option: str) -> str:
    return f"kimchictl template edit {quote(template.name)} {option}"


def _files(template: Template, whole: Template, problems: list[str]) -> list[Finding]:
    fix = _edit(template, "--cdrom SOURCE")
    gone = [Finding(template.name, WARN if "changed" in one else FAIL, one, fix) for one in problems]
    cdrom = template.cdrom
    if cdrom is None or not cdrom.startswith("/") or any(one.status == FAIL for one in gone):
        return gone
    try:
        image = probe_path(cdrom)
    except KimchiError as error:
        return [*gone, Finding(template.name, FAIL, str(error), error.hint or fix)]
    return gone + [Finding(template.name, *one) for one in _contents(whole, image)]


def _contents(template: Template, image: Image) -> list[tuple[str, str, str | None]]:
    """(status, message, fix) of what lies in the image itself."""
    if image.error is not None:
        return [(FAIL, f"image {image.location} cannot be used: {image.error}", "copy it again")]
    found: list[tuple[str, str, str | None]] = []
    label = image_of(template.made).get("volume_id")
    if isinstance(label, str) and label != image.volume_id:
        found.append((WARN, f"image {image.location} is another one now: {image.volume_id!r}, it was {label!r}", None))
    if not image.bootable:
        found.append((FAIL, f"image {image.location} is not bootable", None))
    elif image.boot and template.firmware not in image.boot:
        message = f"image {image.location} boots by {' and '.join(image.boot)}, and firmware is {template.firmware}"
        found.append((WARN, message, _edit(template, f"--firmware {image.boot[0]}")))
    return found


class _About:
    """What one host says; it is asked once for what is active."""

    def __init__(self, host: "Host") -> None:
        from kimchictl.virt.storage import pools, presence

        self.host = host
        self._active = {"pool": pools.names(host, active_only=True), "network": presence.active_networks(host)}
        self._state = {"pool": presence.pool_state, "network": presence.network_state}
        self._dead: dict[str, KimchiError | None] = {}

    def findings(self, template: Template, resolved: Resolved) -> list[Finding]:
        from kimchictl.virt.domain.machine import choose_hardware, find_machine
        from kimchictl.virt.models import missing_devices

        whole = resolved.template
        found = [*self._pools(resolved), *self._networks(resolved), *self._access(template), *self._bases(template)]
        try:
            machine = find_machine(self.host, whole)
            found += [
                Finding(template.name, FAIL, str(wrong), wrong.hint)
                for wrong in missing_devices(self.host, whole, machine)
            ]
            choose_hardware(whole, machine)
        except HostError:
            raise
        except KimchiError as error:
            found.append(Finding(template.name, FAIL, str(error), error.hint))
        if problem := memory_problem(self.host, whole):
            found.append(Finding(template.name, FAIL, problem, _edit(template, "--memory SIZE")))
        return found

    def _pools(self, resolved: Resolved) -> list[Finding]:
        whole, origins = resolved.template, resolved.origins
        wanted = {disk.pool: origins[f"disks[{i}].pool"] for i, disk in enumerate(whole.disks or ()) if disk.pool}
        if whole.cdrom and whole.cdrom.startswith("pool:"):
            wanted[whole.cdrom[5:].partition("/")[0]] = GIVEN
        return [found for name in wanted for found in self._look("pool", name, wanted[name], whole.name)]

    def _networks(self, resolved: Resolved) -> list[Finding]:
        networks, origin = resolved.template.networks or (), resolved.origins["networks"]
        named = dict.fromkeys(one.name for one in networks if one.type == "network" and one.name)
        return [found for name in named for found in self._look("network", name, origin, resolved.template.name)]

    def _look(self, kind: str, name: str, origin: str, template: str) -> list[Finding]:
        """What nobody named may be another one: the only one that is active."""
        active = self._active[kind]
        if name in active or (origin == BUILT_IN and len(active) == 1):
            dead = self._look_into(name if name in active else active[0]) if kind == "pool" else None
            return [Finding(template, FAIL, str(dead), dead.hint)] if dead else []
        if kind == "network" and origin == BUILT_IN and not active and self.host.is_session:
            return []  # a user's own guests get user networking then
        if self._state[kind](self.host, name) is None:
            return [Finding(template, FAIL, f"{kind} {name!r} does not exist", self._making(kind, name, origin))]
        return [Finding(template, FAIL, f"{kind} {name!r} is not active", f"kimchictl {kind} start {quote(name)}")]

    def _look_into(self, pool: str) -> KimchiError | None:
        """Why disks cannot be made in an active pool; each is looked at once."""
        from kimchictl.virt.storage import presence

        if pool not in self._dead:
            self._dead[pool] = None
            try:
                presence.usable_pool(self.host, pool)
            except HostError:
                raise
            except KimchiError as error:
                self._dead[pool] = error
        return self._dead[pool]

    def _making(self, kind: str, name: str, origin: str) -> str:
        """The first pool can be made as it is; what somebody named is more likely mistyped, or on another host."""
        if kind == "pool" and origin == BUILT_IN and not self._active[kind]:
            from kimchictl.actions.vms.create.plan_vm import IMAGES

            path = os.path.expanduser("~/.local/share/libvirt/images") if self.host.is_session else IMAGES
            return f"kimchictl pool create {quote(name)} --type dir --path {quote(path)} --start"
        return f"kimchictl {kind} list shows those that do"

    def _access(self, template: Template) -> list[Finding]:
        """Files that guests may not read; asked only where guests run on this machine."""
        if not self.host.is_local or self.host.is_test:
            return []
        from kimchictl.actions.vms.create.access import why_unreadable
        from kimchictl.virt.capabilities import read_capabilities

        user = (os.geteuid(), os.getegid()) if self.host.is_session else read_capabilities(self.host).qemu_user
        if user is None:
            return []
        problems = [problem for path in files_of(template).paths if (problem := why_unreadable(path, user))]
        # What is missing was said by who looked at the files.
        there = [problem for problem in problems if not isinstance(problem, NotFound)]
        return [Finding(template.name, FAIL, str(problem), problem.hint) for problem in there]

    def _bases(self, template: Template) -> list[Finding]:
        """Images for disks that no pool of the host has, or none that disks could be made upon."""
        from kimchictl.actions.vms.create.base_image import find_base

        found = []
        for base in dict.fromkeys(disk.base for disk in template.disks or () if disk.base):
            if self.host.is_local and not self.host.is_test and base.startswith("/") and not os.path.exists(base):
                continue  # that was said
            try:
                find_base(self.host, base)
            except HostError:
                raise
            except KimchiError as error:
                found.append(Finding(template.name, FAIL, str(error), error.hint))
        return found
