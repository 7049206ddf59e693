"""A new volume for a VM that exists: made, plugged in, and deleted again where that fails.

Not where the VM may have it: who asks libvirt to attach a disk and gets no answer, as it restarts or the hypervisor
hangs, does not know. Nor does a signal come between the attaching and the giving up of the undo.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.space import require_space
from kimchictl.actions.storage.unfinished import in_use, noted, take_back
from kimchictl.actions.vms import undo
from kimchictl.actions.vms.create.plan_vm import volume_name
from kimchictl.errors import Exists, Failed, InUse, TimedOut
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt.storage import pools, presence, volumes
from kimchictl.virt.storage.volumes import Volume

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

Attach = Callable[[Volume], object]
_ATTEMPTS = 20


def attach_new(
    host: "Host", vm: str, size: int, pool: str | None, form: str | None, attach: Attach, state_dir: str | None
) -> Volume:
    """`attach` a volume of `size` bytes, made for it; what killed processes left in its pool goes first.

    With `state_dir` there is a note of it meanwhile, by which it goes if this process is killed. Raises NotFound,
    WrongState, Locked, Invalid, Failed, and what `attach` does.
    """
    active = pools.names(host, active_only=True)
    place = pool or ("default" if "default" in active or len(active) != 1 else active[0])
    there = presence.usable_pool(host, place)
    for sentence in take_back(host, state_dir, place) if state_dir is not None else ():
        host.note(sentence)
    block = there.type in volumes.BLOCK_POOLS
    require_space(place, size, there.available, block, host.note)
    form = form or ("raw" if block else "qcow2")
    for _ in range(_ATTEMPTS):
        name = volume_name(vm, form, volumes.names(host, place))
        try:
            return _attached(host, vm, (place, name, size, form), attach, state_dir)
        except Exists:
            continue  # somebody else was quicker
    raise Failed(f"no name is free for a disk of vm {vm!r} in pool {place!r}")


def _attached(
    host: "Host", vm: str, wanted: tuple[str, str, int, str], attach: Attach, state_dir: str | None
) -> Volume:
    pool, name, size, form = wanted
    with noted(host, state_dir, "attach", pool, name, size) as note, ExitStack() as steps:
        with uninterrupted():
            made = volumes.create_volume(host, pool, name, size, form)
            steps.callback(undo.take_back, host, f"pool:{pool}/{name} stays", partial(_delete, host, vm, made))
            note.made_empty()
        with uninterrupted():
            try:
                attach(made)
            except TimedOut:  # libvirt is still at it
                host.note(f"pool:{pool}/{name} stays, as vm {vm!r} may get it yet: kimchictl vm disk list {quote(vm)}")
                steps.pop_all()
                note.done()
                raise
            steps.pop_all()
            note.done()
    return made


def _delete(host: "Host", vm: str, made: Volume) -> None:
    """Raises InUse where the VM has it all the same."""
    if in_use(host, made):
        raise InUse(f"vm {vm!r} has it; see kimchictl vm disk list {quote(vm)}")
    volumes.delete_volume(host, made.pool, made.name)
