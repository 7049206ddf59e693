"""What can be changed of a guest while it runs, and what cannot."""

from typing import Any

from kimchictl.errors import WrongState
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.domain.domainedit import VmChanges

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
    hint = "with --next-start it is so from the next start on; or stop it first"
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
    """Change the running `domain`; the keys that were. Raises what libvirt says."""
    lib, name, done = host.lib, domain.name(), []
    live = lib.VIR_DOMAIN_AFFECT_LIVE
    with asking(f"vm {name!r} cannot be changed while it runs"):
        if changes.memory is not None:
            domain.setMemoryFlags(changes.memory << 10, live)
            done.append("memory")
        if changes.vcpus is not None:
            domain.setVcpusFlags(changes.vcpus, live)
            done.append("vcpus")
        for key, kind in (
            ("title", lib.VIR_DOMAIN_METADATA_TITLE),
            ("description", lib.VIR_DOMAIN_METADATA_DESCRIPTION),
        ):
            if (text := getattr(changes, key)) is not None:
                domain.setMetadata(kind, text or None, None, None, live)
                done.append(key)
    return done
