"""Change a VM: its definition, and the running guest where libvirt can.

The definition first, then the guest; where the guest will not, the definition is put back.
"""

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from kimchictl.actions.documents.editor import edit_until
from kimchictl.actions.documents.host_names import memory_problem
from kimchictl.actions.vms.carry_nvram import moved, sweep_carried
from kimchictl.catalog.parse import parse as parse_template
from kimchictl.catalog.records import Template
from kimchictl.errors import InUse, Invalid, KimchiError, WrongState
from kimchictl.virt import xml
from kimchictl.virt.domain import domains, power, saved
from kimchictl.virt.domain.definition import difference, parse, read_definition, redefine
from kimchictl.virt.domain.domainedit import VmChanges, apply
from kimchictl.virt.domain.listing import ACTIVE
from kimchictl.virt.domain.live import apply_live, require_live
from kimchictl.virt.domain.nvram import nvram_path
from kimchictl.virt.secrets import forget_unneeded

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class EditedVm:
    """`diff` is what changes in the definition, "" for nothing; `live` the keys that a running guest has now.

    `later`: it runs, and what else changed counts from its next start on. `left`: the NVRAM file, on the host, that it
    has no more, if it was ever started; it may hold what the next UEFI needs to boot, so that nothing removes it.
    """

    name: str
    diff: str
    live: tuple[str, ...] = ()
    later: bool = False
    left: str | None = None


def edit_vm(host: "Host", name: str, changes: VmChanges, next_start: bool = False, dry_run: bool = False) -> EditedVm:
    """Make `changes`; with `next_start` a running guest is left as it is. Raises NotFound, Invalid, WrongState."""
    domain = domains.find_domain(host, name)
    name = domain.name()
    _require_sensible(host, name, changes)
    running = domains.state_of(host, domain) in ACTIVE
    persistent = bool(domain.isPersistent())
    if not persistent and next_start:
        raise WrongState(f"vm {name!r} is transient: it has no next start")
    if running and not next_start:
        require_live(host, domain, changes)
    before, nvram = xml.serialize(read_definition(host, domain)), nvram_path(host, name)
    root = parse(before, f"vm {name!r}")
    apply(root, changes, name)
    diff = difference(before, xml.serialize(root), name)
    later = running and next_start and bool(diff)
    if dry_run:
        return EditedVm(name, diff, later=later)
    if diff and persistent:
        redefine(host, name, root)
        domains.note_saved(host, domain)
    if not running or next_start:
        return EditedVm(name, diff, later=later, left=None if _keeps_nvram(root) else nvram)
    try:
        return EditedVm(name, diff, tuple(apply_live(host, domain, changes)))
    except KimchiError:
        if diff and persistent:
            redefine(host, name, parse(before, f"vm {name!r}"))
        raise


def _require_sensible(host: "Host", name: str, changes: VmChanges) -> None:
    """Raises Invalid for what no VM could have, or the host does not have.

    Its memory may be less than a template's, which has room for an installer: a VM may run anything.
    """
    for key in ("vcpus", "max_vcpus", "firmware"):
        if (value := getattr(changes, key)) is not None:
            parse_template({"name": "of limits", key: value}, f"vm {name!r}")
    for key in ("memory", "max_memory"):
        if (value := getattr(changes, key)) is not None and value < 1:
            raise Invalid(f"vm {name!r}: {key} {value} MiB is too little", "give it more, like 512M")
    wanted = Template("of limits", memory=changes.memory, max_memory=changes.max_memory)
    if problem := memory_problem(host, wanted):
        raise Invalid(f"vm {name!r}: {problem}", "give it less")


def _keeps_nvram(root: xml.Element) -> bool:
    system = root.find("os")
    return system is not None and (system.get("firmware") == "efi" or system.find("nvram") is not None)


def drop_saved_memory(host: "Host", name: str, dry_run: bool = False) -> bool:
    """Let a VM that is off start anew, not from saved memory; whether there is any. Raises NotFound."""
    domain = domains.find_domain(host, name)
    if not domains.has_saved(host, domain):
        return False
    if not dry_run:
        saved.drop_saved(host, domain)
    return True


def require_renameable(host: "Host", name: str, new: str, drop_saved: bool = False) -> None:
    """Raises Exists, WrongState, Invalid where it cannot be called `new`; libvirt renames none with saved memory."""
    domain = power.require_renameable(host, name, new)
    if not drop_saved:
        saved.require_none_saved(host, domain, "cannot be renamed")


def rename_vm(host: "Host", name: str, new: str, state_dir: str | None = None) -> None:
    """Give a VM that is off another name, and its NVRAM, too; its disks keep theirs. Secrets that it has no more go.

    With `state_dir`, what killed processes left of NVRAM is taken back before. Raises Exists, WrongState, Invalid.
    """
    for sentence in sweep_carried(host, state_dir) if state_dir is not None else ():
        host.note(sentence)
    name = power.require_renameable(host, name, new).name()
    with moved(host, name, new, state_dir):
        power.rename(host, name, new)
    forget_unneeded(host, domains.find_domain(host, new).UUIDString())


def edit_xml(host: "Host", name: str, dry_run: bool = False) -> EditedVm:
    """The definition in the user's editor, until libvirt takes it or the user gives up.

    Raises InUse when somebody else changed it meanwhile, Invalid when it is refused or is another VM's.
    """
    domain = domains.find_domain(host, name)
    name = domain.name()
    if not domain.isPersistent():
        raise WrongState(f"vm {name!r} is transient: it has no definition to edit")
    before = xml.serialize(read_definition(host, domain))

    def accept(text: str) -> EditedVm:
        root = parse(text, f"vm {name!r}")
        _require_same(root, before, name)
        diff = difference(before, xml.serialize(root), name)
        if dry_run or not diff:
            return EditedVm(name, diff, later=running)
        if xml.serialize(read_definition(host, domain)) != before:
            raise InUse(f"vm {name!r} was changed by somebody else meanwhile", "edit it again")
        redefine(host, name, root)
        domains.note_saved(host, domain)
        return EditedVm(name, diff, later=running)

    running = domains.state_of(host, domain) in ACTIVE
    return edit_until(before, f"vm {name!r}", accept) or EditedVm(name, "")


def _require_same(root: Any, before: str, name: str) -> None:
    """Raises Invalid for another name or UUID, which would be another VM."""
    old = parse(before, f"vm {name!r}")
    if root.tag != "domain":
        raise Invalid(f"vm {name!r}: the document is no <domain>, but <{root.tag}>")
    for key in ("name", "uuid"):
        if xml.text(root, key) != xml.text(old, key):
            hint = f"kimchictl vm edit {quote(name)} --name NEW renames it" if key == "name" else None
            raise Invalid(f"vm {name!r}: its {key} cannot be changed there", hint)
