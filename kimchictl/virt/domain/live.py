"""What can be changed of a guest while it runs, and what cannot."""

import time
from functools import partial
from typing import Any

from kimchictl.errors import TimedOut, WrongState
from kimchictl.virt.connection import Host, asking, is_code
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.domainedit import VmChanges

BALLOON_PATIENCE = 1.0  # seconds for a guest to give memory back, or to take it, before it is said that it has not

# What a running guest cannot be given.
_STOPPED = (
    "max_memory",
    "max_vcpus",
    "topology",
    "graphics",
    "password",
    "boot",
    "boot_menu",
    "firmware",
    "secure_boot",
)


def require_live(host: Host, domain: Any, changes: VmChanges) -> None:
    """Raises WrongState, saying what would be possible, for what the running `domain` cannot be given."""
    name = domain.name()
    hint = "with --next-start it is so from the next start on; or stop it first" if domain.isPersistent() else None
    blocked = [key for key in _STOPPED if getattr(changes, key) is not None]
    if blocked:
        raise WrongState(f"vm {name!r} runs, and its {', '.join(blocked)} cannot be changed meanwhile", hint)
    with asking(f"vm {name!r}"):
        most = domain.maxMemory() >> 10
        vcpus = domain.vcpusFlags(host.lib.VIR_DOMAIN_VCPU_MAXIMUM | host.lib.VIR_DOMAIN_VCPU_LIVE)
    if changes.memory is not None and changes.memory > most:
        raise WrongState(f"vm {name!r} runs with {most} MiB of memory at most, not {changes.memory}", hint)
    if changes.vcpus is not None and changes.vcpus > vcpus:
        raise WrongState(f"vm {name!r} runs with {vcpus} vcpus at most, not {changes.vcpus}", hint)


def apply_live(host: Host, domain: Any, changes: VmChanges) -> list[str]:
    """Change the running `domain`; the keys that were. Raises what libvirt says.

    What a guest can refuse comes first: then nothing has changed.
    """
    lib, name, done = host.lib, domain.name(), []
    live = lib.VIR_DOMAIN_AFFECT_LIVE
    with asking(f"vm {name!r} cannot be changed while it runs"):
        if changes.vcpus is not None:
            _set_vcpus(host, domain, changes.vcpus)
            done.append("vcpus")
        if (memory := changes.memory) is not None:
            answered(name, lambda: domain.setMemoryFlags(memory << 10, live))
            done.append("memory")
        for key, kind in (
            ("title", lib.VIR_DOMAIN_METADATA_TITLE),
            ("description", lib.VIR_DOMAIN_METADATA_DESCRIPTION),
        ):
            if (text := getattr(changes, key)) is not None:
                answered(name, partial(domain.setMetadata, kind, text or None, None, None, live))
                done.append(key)
        if changes.memory is not None:
            _note_balloon(host, domain, changes.memory)
    return done


def _note_balloon(host: Host, domain: Any, wanted: int) -> None:
    """Say so where the guest does not soon have `wanted` MiB: that is up to its balloon driver, and what it needs."""
    end = time.monotonic() + BALLOON_PATIENCE
    while abs((now := domain.info()[2] >> 10) - wanted) > 2:
        if time.monotonic() > end:
            host.note(f"the guest of vm {domain.name()!r} was asked to have {wanted} MiB, and has {now} so far")
            return
        time.sleep(0.05)


def _set_vcpus(host: Host, domain: Any, wanted: int) -> None:
    """Plug them in, or out, which the guest has to agree to.

    Raises TimedOut where it does not; WrongState for those that it started with; libvirtError.
    """
    lib = host.lib
    try:
        answered(domain.name(), lambda: domain.setVcpusFlags(wanted, lib.VIR_DOMAIN_AFFECT_LIVE))
    except lib.libvirtError as error:
        left = domain.vcpusFlags(lib.VIR_DOMAIN_AFFECT_LIVE)
        hint = "with --next-start it has fewer from the next start on; or stop it first"
        # What was asked to go before, and has not gone yet, QEMU refuses itself, which has no code of its own.
        if is_code(error, "OPERATION_TIMEOUT") or "device_del" in (error.get_error_message() or ""):
            message = f"the guest of vm {domain.name()!r} does not let go of its vcpus: {left} are left"
            raise TimedOut(message, hint) from None
        if is_code(error, "CONFIG_UNSUPPORTED") and wanted < left:
            message = f"vm {domain.name()!r} keeps the vcpus that it started with, and cannot have {wanted} meanwhile"
            raise WrongState(message, hint) from None
        raise
