"""The memory that libvirt saved of a domain which is off (managed save): it goes on from that when it starts."""

from shlex import quote
from typing import Any

from kimchictl.errors import WrongState
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.domain.domains import has_saved
from kimchictl.virt.secrets import forget_unneeded


def require_none_saved(host: Host, domain: Any, what: str) -> None:
    """Raises WrongState, saying that it `what` ("cannot be renamed"), where there is any."""
    if has_saved(host, domain):
        name = domain.name()
        raise WrongState(
            f"vm {name!r} has saved memory and {what}",
            f"kimchictl vm start {quote(name)} goes on with it; or, as if its power had been cut, "
            f"kimchictl vm edit {quote(name)} --drop-saved",
        )


def drop_saved(host: Host, domain: Any) -> None:
    """Throw it away, and the secrets that nothing but it needed; the disks stay as they are."""
    with asking(f"vm {domain.name()!r}: its saved memory cannot be dropped"):
        domain.managedSaveRemove(0)
    forget_unneeded(host, domain.UUIDString())
