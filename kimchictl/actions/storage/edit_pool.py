"""Change where a pool lies: by what was asked for, or its XML in the user's editor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kimchictl.actions.documents.editor import edit_until
from kimchictl.errors import InUse, Invalid
from kimchictl.virt import xml
from kimchictl.virt.domain.definition import difference, parse
from kimchictl.virt.storage.poolchange import read_definition, redefine, require_directory
from kimchictl.virt.storage.poolxml import PoolPlan, changed_xml

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


@dataclass(frozen=True, slots=True)
class EditedPool:
    """`diff` is what changes in the definition, "" for nothing."""

    name: str
    diff: str


def edit_pool(host: "Host", name: str, plan: PoolPlan, dry_run: bool = False) -> EditedPool:
    """Define an inactive pool with what `plan` gives in place of what it had. Raises WrongState, Invalid."""
    before = read_definition(host, name)
    require_directory(host, name, plan.path)
    return _accepting(host, name, before, dry_run)(changed_xml(before, name, plan))


def edit_pool_xml(host: "Host", name: str, dry_run: bool = False) -> EditedPool:
    """The definition of an inactive pool in the user's editor, until libvirt takes it or the user gives up.

    Raises WrongState, InUse when somebody else changed it meanwhile, Invalid when it is refused or is another pool's.
    """
    before = read_definition(host, name)
    edited = edit_until(before, f"pool {name!r}", _accepting(host, name, before, dry_run))
    return edited or EditedPool(name, "")


def _accepting(host: "Host", name: str, before: str, dry_run: bool) -> Callable[[str], EditedPool]:
    def accept(text: str) -> EditedPool:
        root = parse(text, f"pool {name!r}")
        _require_same(root, before, name)
        after = xml.serialize(root)
        diff = difference(before, after, name)
        if diff and not dry_run:
            if read_definition(host, name) != before:
                raise InUse(f"pool {name!r} was changed by somebody else meanwhile", "edit it again")
            redefine(host, name, after)
        return EditedPool(name, diff)

    return accept


def _require_same(root: xml.Element, before: str, name: str) -> None:
    """Raises Invalid for another name or UUID, which would be another pool."""
    old = parse(before, f"pool {name!r}")
    if root.tag != "pool":
        raise Invalid(f"pool {name!r}: the document is no <pool>, but <{root.tag}>")
    for key in ("name", "uuid"):
        if root.findtext(key) != old.findtext(key):
            raise Invalid(f"pool {name!r}: its {key} cannot be changed", "kimchictl pool create makes another pool")
