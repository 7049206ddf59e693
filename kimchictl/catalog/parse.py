"""A decoded document to a Template and back: the one place where a dict becomes a record.

Files, options, editor, import and mirrors of other sites all come through `parse`.
"""

from typing import Any

from kimchictl.catalog.fields import TEMPLATE
from kimchictl.catalog.kinds import COMPUTED, Record, Wrong
from kimchictl.catalog.records import Disk, Graphics, Network, Template, Topology
from kimchictl.errors import Invalid, did_you_mean

Document = dict[str, Any]


def parse(document: object, what: str, kind: Record = TEMPLATE) -> Template:
    """The template in a decoded JSON value. Raises Invalid: "WHAT: KEY VALUE breaks this rule"."""
    if isinstance(document, dict) and "path" in document:
        document = _with_cdrom(document, what)
    try:
        template: Template = kind.check(document)
    except Wrong as wrong:
        raise Invalid(f"{what}: {wrong}") from None
    return template


def _with_cdrom(document: Document, what: str) -> Document:
    """`path`, what other tools call the image, as `cdrom`."""
    if document.get("cdrom", document["path"]) != document["path"]:
        raise Invalid(f"{what}: path and cdrom are both given and differ", "path is another name of cdrom: keep one")
    return {("cdrom" if key == "path" else key): value for key, value in document.items() if key != "cdrom"}


def to_document(template: Template, provenance: bool = True) -> Document:
    """What is stored: only what the template gives, in the order of the definition, unknown keys last.

    `cdrom` is always there, as null means network boot. Without `provenance` the key `made` is left out.
    """
    document: Document = {}
    for key in TEMPLATE.keys:
        value = getattr(template, key.name)
        if (
            key.name == "cdrom"
            or (value is not None and value != ())
            or (key.name in ("disks", "networks") and value == ())
        ):
            document[key.name] = _plain(value)
    if not provenance:
        document.pop("made", None)
    return {**document, **template.extra}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Disk | Network | Graphics | Topology):
        given = {name: getattr(value, name) for name in value.__slots__ if name != "extra"}
        return {**{name: content for name, content in given.items() if content is not None}, **value.extra}
    return value


def unknown_keys(document: object, kind: Record = TEMPLATE) -> set[str]:
    """The keys of `document`, and of the records in it ("disks.szie"), that the definition does not know."""
    if not isinstance(document, dict):
        return set()
    known = {key.name: key.kind for key in kind.keys}
    found = {str(name) for name in document if name not in known and name not in COMPUTED and name != "path"}
    for name, value in document.items():
        inner = getattr(known.get(name), "item", known.get(name))
        if isinstance(inner, Record):
            for entry in value if isinstance(value, list) else [value]:
                found |= {f"{name}.{key}" for key in unknown_keys(entry, inner)}
    return found


def refuse_new_keys(document: object, former: object, what: str, kind: Record = TEMPLATE) -> None:
    """Raises Invalid naming a key that nobody knows, unless `former` had it already."""
    new = sorted(unknown_keys(document, kind) - unknown_keys(former, kind))
    if new:
        names = [key.name for key in kind.keys]
        hint = did_you_mean(new[0], names, f"the keys are {', '.join(names)}")
        raise Invalid(f"{what}: unknown key{'s' if len(new) > 1 else ''} {', '.join(map(repr, new))}", hint)


def differences(old: Document, new: Document) -> list[tuple[str, Any, Any]]:
    """(key, old value, new value) of every key that differs, provenance left out; None is "absent"."""
    keys = dict.fromkeys([*old, *new])
    return [(key, old.get(key), new.get(key)) for key in keys if key != "made" and old.get(key) != new.get(key)]
