"""The end of a VM, as its bill says: power off, forget definition and secrets, delete disks.

It is held by its UUID: whoever is called so meanwhile is another one, and stays. A libvirtd that restarts meanwhile
does no harm: `remove` with the same Deletion goes on where it was.
"""

from collections.abc import Iterator
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from kimchictl.actions.storage.uses import Templates
from kimchictl.actions.vms.bill import Bill, changed
from kimchictl.actions.vms.deletion import Deletion, delete_files, files_now, raise_if_broken, raise_left
from kimchictl.errors import Disconnected, InUse, KimchiError, NotFound
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt import secrets
from kimchictl.virt.domain import domains, power
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.undefine import undefine_vm

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def remove(host: "Host", deletion: Deletion, templates: Templates) -> None:
    """Do it. Raises InUse, NotFound where the VM is not what it was, with nothing done; Failed with all that stays."""
    bill = deletion.bill
    with uninterrupted():
        try:
            _take_definition(host, deletion)
            left = [*_forget_secrets(host, deletion), *delete_files(host, deletion.files, templates)]
        except KimchiError as error:
            if not deletion.undefined and not isinstance(error, Disconnected) and host.is_alive:
                deletion.done()
            raise
        deletion.done()
    raise_left(bill.name, left)


def _take_definition(host: "Host", deletion: Deletion) -> None:
    """Raises InUse, NotFound where somebody else has done so."""
    try:
        if not deletion.begun:
            _prepare(host, deletion)
        _undefine(host, deletion)
    except NotFound:
        raise _gone(host, deletion.bill) from None


def _prepare(host: "Host", deletion: Deletion) -> None:
    """Power it off, and note what is to go, as it is then. Raises NotFound where the VM is gone."""
    bill = deletion.bill
    domain = domains.find_domain(host, bill.uuid)
    deletion.secrets = secrets.secrets_of(host, domain.name())
    if bill.running:
        if not bill.persistent:
            deletion.begin(host)  # it goes with its power
        power.power_off(host, bill.uuid)
        deletion.files = files_now(host, bill)
    elif domains.state_of(host, domain) in ACTIVE or deletion.files != files_now(host, bill):
        raise changed(bill.name)
    deletion.begin(host)


def _gone(host: "Host", bill: Bill) -> KimchiError:
    if bill.name in domains.names(host):
        return InUse(
            f"vm {bill.name!r} is another one by now, and stays: the one that was to be deleted is gone",
            f"kimchictl vm delete {quote(bill.name)} shows what goes with this one",
        )
    return NotFound(
        f"vm {bill.name!r} is gone: somebody else deleted it meanwhile, and nothing more was deleted",
        "kimchictl volume orphans shows what it may have left",
    )


def _undefine(host: "Host", deletion: Deletion) -> None:
    """Raises NotFound where somebody else has done so, and not an earlier try whose answer was lost."""
    bill, earlier = deletion.bill, deletion.asked
    deletion.asked = True
    if not undefine_vm(host, bill.uuid) and bill.persistent and not earlier:
        raise NotFound(f"vm {bill.name!r} does not exist")
    deletion.undefined = True
    with suppress(NotFound):
        domain = domains.find_domain(host, bill.uuid)
        if domains.state_of(host, domain) in ACTIVE:  # started since the last look, and now transient
            power.power_off(host, bill.uuid)
            host.note(f"vm {bill.name!r} was started meanwhile, and was powered off")
            deletion.files = files_now(host, bill)


def _forget_secrets(host: "Host", deletion: Deletion) -> Iterator[KimchiError]:
    """Those that no VM needs any more; why one stays. Raises Disconnected."""
    try:
        for usage in secrets.unneeded_secrets(host, deletion.bill.uuid, deletion.secrets):
            secrets.forget_secret(host, usage)
    except KimchiError as error:
        raise_if_broken(host, error)
        yield error
