"""Make the VM that a plan describes: volumes, secrets, definition. Each step knows how to undo itself.

Whatever goes wrong, an interrupt included, what was made so far is taken back, in reverse order; what cannot be taken
back is said.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from kimchictl.actions.vms.carry_nvram import require_no_variables
from kimchictl.actions.vms.create.claim import Claim
from kimchictl.actions.vms.create.plan_vm import Login, PlannedSeed, PlannedVolume, Request, VmPlan
from kimchictl.actions.vms.create.preflight import plan_vms
from kimchictl.actions.vms.create.unfinished import Note, note_for
from kimchictl.actions.vms.undo import take_back
from kimchictl.errors import Disconnected, Exists
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt import secrets
from kimchictl.virt.domain import domains
from kimchictl.virt.domain.domainplan import Medium
from kimchictl.virt.domain.domainxml import domain_xml
from kimchictl.virt.domain.machine import wants_uefi
from kimchictl.virt.domain.undefine import undefine_vm
from kimchictl.virt.storage import volumes

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Made:
    """A VM that is defined; until it is to be kept, its undo takes it back."""

    name: str
    note: Note

    def keep(self, undo: ExitStack) -> None:
        """It is finished, and stays."""
        with uninterrupted():
            undo.pop_all()
            self.note.done()


def provision(
    host: "Host",
    plan: VmPlan,
    undo: ExitStack,
    login: Login | None = None,
    state_dir: str | None = None,
    goes_on: bool = False,
) -> Made:
    """Make the VM, which is off; each step goes on `undo`. `login` is for the server of its image.

    With `state_dir` there is a note of it meanwhile, by which the next one cleans up if this process is killed; where
    it `goes_on`, as it is to be started, also after the VM is defined. Raises whatever went wrong, with nothing undone
    yet.
    """
    if wants_uefi(plan.domain.template, plan.domain.machine):
        require_no_variables(host, plan.name)  # they would be its own, and go when it is undone
    note = note_for(state_dir, host, plan.name, goes_on)
    undo.callback(note.done)
    made = [make_volume(host, volume, undo, note) for volume in plan.volumes]
    disks = tuple(
        replace(disk, path=volume.path or disk.path, block=volume.type == "block")
        for disk, volume in zip(plan.domain.disks, made, strict=True)
    )
    if plan.seed is not None:
        plan = _make_seed(host, plan, plan.seed, undo, note)
    media = plan.domain.media
    uuid = new_uuid()
    if login is not None:
        note.begin(uuid)
        media = _with_login(host, plan, uuid, login, undo)
    define_vm(host, plan.name, domain_xml(replace(plan.domain, uuid=uuid, disks=disks, media=media)), undo, note, uuid)
    return Made(plan.name, note)


def provision_named(
    host: "Host",
    request: Request,
    plan: VmPlan,
    undo: ExitStack,
    claim: Claim,
    state_dir: str | None = None,
    goes_on: bool = False,
) -> Made:
    """The same; where its name is one of a row, and somebody was quicker to take it, under the next one."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return provision(host, plan, undo, request.login, state_dir, goes_on)
        except Exists:
            undo.close()
            if not request.is_numbered or not left:
                raise
        (plan,), findings = plan_vms(host, replace(request, names=claim.take(1)))
        findings.raise_all(f"vm {plan.name!r}")
    raise AssertionError("the last attempt returns or raises")


def make_volume(host: "Host", planned: PlannedVolume, undo: ExitStack, note: Note) -> volumes.Volume:
    """Make a volume, which is noted before, and deleted when it is undone. Raises Exists, Failed."""
    with uninterrupted(), _noted(host, note, planned.pool, planned.name, planned.capacity):
        made = volumes.create_volume(
            host, planned.pool, planned.name, planned.capacity, planned.format, planned.base, planned.base_format
        )
        undo_volume(host, made, undo, note.keep)
    return made


def undo_volume(host: "Host", made: volumes.Volume, undo: ExitStack, failed: Callable[[], None] | None = None) -> None:
    """Have the volume deleted when it is undone; `failed` is told where that cannot be."""
    left = f"volume {made.name!r} of pool {made.pool!r} is left behind"
    undo.callback(take_back, host, left, lambda: volumes.delete_volume(host, made.pool, made.name), failed)


@contextmanager
def _noted(host: "Host", note: Note, pool: str, name: str, capacity: int, seed: bool = False) -> Iterator[None]:
    """The step that makes a volume, with what is noted before and after it."""
    note.making(pool, name, capacity, seed)
    try:
        yield
    except BaseException as error:
        if isinstance(error, Disconnected) or not host.is_alive:
            note.keep()  # it may have been made, though nobody could say so
        else:
            note.not_made()
        raise
    note.made()


def _make_seed(host: "Host", plan: VmPlan, seed: PlannedSeed, undo: ExitStack, note: Note) -> VmPlan:
    """The plan with the seed where it really is."""
    from kimchictl.media.seed import seed_image
    from kimchictl.virt.storage.volumestream import upload

    image = seed_image(seed.user_data, plan.name, new_uuid())
    with uninterrupted(), _noted(host, note, seed.pool, seed.name, len(image), seed=True):
        made = upload(host, seed.pool, seed.name, len(image), (image,))
        undo_volume(host, made, undo, note.keep)
    media = (*plan.domain.media[:-1], Medium("file", made.path or seed.path))
    return replace(plan, domain=replace(plan.domain, media=media))


def _with_login(host: "Host", plan: VmPlan, uuid: str, login: Login, undo: ExitStack) -> tuple[Medium, ...]:
    """The plan's media with a secret of libvirt's for each that is streamed."""
    return tuple(
        with_secret(host, uuid, medium, login, undo) if medium.kind == "network" else medium
        for medium in plan.domain.media
    )


def with_secret(host: "Host", uuid: str, medium: Medium, login: Login, undo: ExitStack) -> Medium:
    """The medium behind a URL, with a secret of libvirt's by which the VM with that UUID logs in at its server."""
    with uninterrupted():
        usage = secrets.make_secret(host, uuid, login.server, login.password)
        left = f"secret {usage!r} is left behind"
        undo.callback(take_back, host, left, partial(secrets.forget_unnamed, host, usage))
    return replace(medium, user=login.user, secret=usage)


def new_uuid() -> str:
    """A UUID of RFC 9562's version 4."""
    from uuid import uuid4

    return str(uuid4())


def define_vm(host: "Host", name: str, document: str, undo: ExitStack, note: Note, uuid: str) -> None:
    """Define a VM by a `document` with that `uuid`; it is undefined when it is undone. Raises Exists, Invalid."""
    note.defining(uuid)
    with uninterrupted():
        # Before it is defined, and by its UUID: of a libvirtd that restarts only the answer may be lost.
        undo.callback(take_back, host, f"vm {name!r} may be left behind", lambda: undefine_vm(host, uuid))
        domains.define(host, name, document)
    note.defined()
