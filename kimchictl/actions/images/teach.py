"""What this site teaches about images: a rule made from one, kept, edited, removed like any document."""

import os
from dataclasses import dataclass
from typing import Any

from kimchictl.actions.documents.editor import edit_document
from kimchictl.errors import Invalid, KimchiError
from kimchictl.media.descriptors import read_media
from kimchictl.media.naming.rules import Labels, all_hits, parse_rule
from kimchictl.media.naming.taught import require_bearable, teach, usable_rules
from kimchictl.media.records import Media
from kimchictl.media.source import Source
from kimchictl.store import Document, FileStore


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule as it is listed; `pattern` is the first alternative's, `problem` why it names nothing."""

    name: str
    distro: str | None
    version: str | None
    pattern: str | None
    origin: str | None
    path: str
    problem: str | None = None


def rule_for(source: Source, distro: str, version: str, name: str | None) -> dict[str, Any]:
    """The document of a rule that names images labelled like `source`. Raises Invalid, Damaged."""
    distro, version = distro.strip().lower(), version.strip()
    if not distro or not version:
        raise Invalid("a distribution and a version are needed, like --os-distro debian --os-version 12")
    return teach(read_media(source), distro, version, name)


def keep_rule(rules: FileStore, document: dict[str, Any], replace: bool) -> Document:
    """Write the rule into one's own layer. Raises Exists unless `replace`, Invalid, Locked, Failed."""
    _require_bearable(rules, document)
    with rules.session() as session:
        return (
            session.put(document["name"], document) if replace else session.put(document["name"], document, expect=None)
        )


def _require_bearable(rules: FileStore, document: dict[str, Any]) -> None:
    """Raises Invalid for what is no rule, and for one too many."""
    rule = parse_rule(document, repr(document["name"]))
    others, _ = usable_rules([each for each in rules.read().documents.values() if each.name != rule.name])
    require_bearable(rule, sum(other.ways for other in others))


def names_as(document: dict[str, Any], media: Media) -> str | None:
    """What the rule calls `media`: "distro version", or None where it does not match."""
    hit = next(all_hits([parse_rule(document, repr(document["name"]))], Labels.of(media)), None)
    return f"{hit.distro} {hit.version}" if hit else None


def list_rules(rules: FileStore) -> list[RuleRecord]:
    """The rules of this site and of packages, and those that cannot be used, with the reason."""
    listing = rules.read()
    _, problems = usable_rules(listing.documents.values())
    records = [show_rule(document, problems.get(document.name)) for document in listing.documents.values()]
    for damaged in listing.damaged:
        name = damaged.name or os.path.basename(damaged.path)
        records.append(RuleRecord(name, None, None, None, None, damaged.path, str(damaged)))
    return records


def show_rule(document: Document, problem: KimchiError | None) -> RuleRecord:
    """One rule for a list, with what keeps it from naming anything."""
    data = document.data
    match = data.get("match")
    first = match[0] if isinstance(match, list) and match and isinstance(match[0], dict) else {}
    pattern = next((text for text in first.values() if isinstance(text, str)), None)
    distro, version = data.get("distro"), data.get("version")
    return RuleRecord(
        document.name,
        distro if isinstance(distro, str) else None,
        version if isinstance(version, str) else None,
        pattern,
        document.origin,
        document.path,
        str(problem) if problem else None,
    )


def edit_rule(rules: FileStore, name: str) -> bool:
    """Let the user edit a rule; False when nothing was changed. Raises Invalid, Failed, NotFound, InUse."""
    document = rules.get(name)

    def accept(data: Any) -> bool:
        if not isinstance(data, dict):
            raise Invalid(f"rule {name!r} must be a JSON object")
        if data.get("name") != name:
            raise Invalid(f"rule {name!r}: the key name cannot be changed here")
        _require_bearable(rules, data)
        with rules.session() as session:
            session.put(name, data, expect=document)
        return True

    return bool(edit_document(document.data, f"rule {name!r}", accept))
