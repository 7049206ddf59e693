"""Changes laid over a template: a few keys replaced, the rest as it was, and the whole checked again."""

from typing import Any

from kimchictl.catalog.fields import TEMPLATE
from kimchictl.catalog.kinds import Record
from kimchictl.catalog.options import Changes, DiskChange
from kimchictl.catalog.parse import Document, differences, parse, to_document
from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid


def merge(template: Template, changes: Changes, what: str, kind: Record = TEMPLATE) -> Template:
    """`template` with `changes`; what they do not name stays. Raises Invalid, naming key, value and limit."""
    document = to_document(template)
    for key, value in changes.values.items():
        if value is None and key != "cdrom":
            document.pop(key, None)
        else:
            document[key] = value
    if changes.disks is not None:
        document["disks"] = _merge_disks(document.get("disks"), changes.disks, what)
    if changes.graphics is not None:
        document["graphics"] = _merge_graphics(document.get("graphics", {}), changes.graphics)
    return parse(document, what, kind)


def rebase(old: Document, new: Document, current: Document) -> tuple[Document, list[str]]:
    """What led from `old` to `new`, done to `current`; and the keys that others changed to something else meanwhile."""
    result, conflicts = dict(current), []
    for key, was, wanted in differences(old, new):
        if current.get(key) != was and current.get(key) != wanted:
            conflicts.append(key)
        elif key in new:
            result[key] = wanted
        else:
            result.pop(key, None)
    return result, conflicts


def _merge_disks(disks: list[Document] | None, changes: tuple[DiskChange, ...], what: str) -> list[Document]:
    """A template that says nothing of disks has one by default, which index 0 means."""
    if not changes or changes[0].index is None:
        return [_without_nulls(change.values) for change in changes]
    merged: list[Document] = [{}] if disks is None else [dict(disk) for disk in disks]
    for change in changes:
        if change.index is None or change.index >= len(merged):
            last = f"the last is {len(merged) - 1}" if merged else "it has none"
            raise Invalid(f"{what} has no disk {change.index}: {last}")
        merged[change.index] = _without_nulls({**merged[change.index], **change.values})
    return merged


def _merge_graphics(graphics: Document, change: dict[str, Any]) -> Document:
    merged = {**graphics, **change}
    if change.get("type") == "none" and "listen" not in change:
        merged.pop("listen", None)
    return merged


def _without_nulls(values: dict[str, Any]) -> Document:
    return {key: value for key, value in values.items() if value is not None}
