r"""Rules that name a medium by its labels: our own (`data/rules.json`) and those that a site taught.

A rule is a JSON object:

    name       what `identified_by` shows after "rule:" or "taught:"
    distro     libosinfo's distribution id, or our own id for a system that libosinfo does not list; "{id}" is the
               group `id` in lower case
    ids        optional table: the group `id` in lower case -> the distribution id
    title      the system's name for people, without its version; "{id}" is the group `id` as the label spells it
    when       lower-case literals; at least one must occur somewhere in the labels. This is what makes thousands of
               images cheap: a pattern is compiled only when its literal was seen
    match      a list of alternatives; each is an object of patterns per label, all of which must match. The labels are
               volume, system, set, publisher, preparer and application; and inside, what a file of the medium says
               where the labels leave it open (`kimchictl.media.naming.inside`): an alternative has it or the
               others, not both
    version    a template for os_version; by default the groups of the match (see below)
    versions   optional table: what was captured -> the version ("0039" -> "12.1")
    variant    libosinfo's short id: a template, or a list of [pattern on the version, template], first match counts
    arch       the architecture where the labels have none
    arches     optional table: what was captured -> the architecture, before the general one
    edition    optional list of [pattern, edition, live?]; the first found in the volume or application label counts
    live       true or false where it is the same for all
    shared     ["distro version variant"] of other systems that have the very same labels: what a look inside the
               medium is for
    coarse     true where the label gives less than the version, likewise
    examples   [labels, "distro version arch"] pairs the rule was written for; the tests run each of them

A pattern must match the *whole* label, whatever its case; an absent label is a wildcard. `<version>`, `<arch>` and the
other names of `kimchictl.media.naming.labels.PARTS` in a pattern stand for groups. The groups `version`, or `major`,
`minor` and `patch` joined by dots, give the version ("-" and "_" in it are dots). A group's name may come several
times: the first that matched counts. A template's `{name}` is a group, `{version}` the whole version, `{major}` its
first number, `{mm}` its first two, `{major}{sp}` the first with "sp2" for a second number of 2.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kimchictl.media.naming.arches import canonical_arch
from kimchictl.media.naming.labels import LABELS, Labels, compile_pattern
from kimchictl.media.naming.rule_form import check_rule

__all__ = ["LABELS", "Hit", "Labels", "Rule", "all_hits", "parse_rule", "shipped_rules"]

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Hit:
    """What one rule says of one medium. `arch`, `variant`, `edition` and `live` are None where it does not say.

    `shared`: "distro version variant" of systems that have the very same labels. `coarse`: the label does not give all
    of the version.
    """

    rule: str
    distro: str
    version: str
    title: str
    arch: str | None = None
    variant: str | None = None
    edition: str | None = None
    live: bool | None = None
    shared: tuple[str, ...] = ()
    coarse: bool = False


@dataclass(slots=True)
class Rule:
    """One rule; its patterns are compiled when its literal is first seen in a label. `ways`: what they can cost."""

    document: Mapping[str, Any]
    when: tuple[str, ...] = ()
    ways: int = 0
    _compiled: list[dict[str, re.Pattern[str]]] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.document["name"])

    def alternatives(self) -> list[dict[str, re.Pattern[str]]]:
        if self._compiled is None:
            self._compiled = [
                {label: compile_pattern(text) for label, text in option.items()} for option in self.document["match"]
            ]
        return self._compiled

    def matches(self, labels: Labels) -> Hit | None:
        """What this rule says of a medium with these labels, or None."""
        if not self._is_due(labels.joined):
            return None
        for option in self.alternatives():
            if ("inside" in option) != bool(labels.inside):
                continue
            groups: dict[str, str] = {}
            for label, pattern in option.items():
                match = pattern.fullmatch(getattr(labels, label))
                if match is None:
                    break
                for key, text in match.groupdict().items():
                    if text is not None:
                        groups.setdefault(key.partition("__")[0], text)
            else:
                return self._hit(groups, labels)
        return None

    def _is_due(self, joined: str) -> bool:
        """Whether one of the rule's literals is in the labels; asked of each rule for each image, so spelled out."""
        for word in self.when:
            if word in joined:
                return True
        return not self.when

    def _hit(self, groups: dict[str, str], labels: Labels) -> Hit:
        rule = self.document
        version = _version(rule, groups)
        names = {**groups, **version_parts(version)}
        said = groups.get("arch", "").lower()
        arch = rule.get("arches", {}).get(said) or canonical_arch(said) or labels.arch() or rule.get("arch")
        edition, live = _edition(rule, labels)
        called = groups.get("id", "")
        names["id"] = rule.get("ids", {}).get(called.lower(), called.lower())
        distro = fill(rule["distro"], names)
        return Hit(
            rule=self.name,
            distro=distro,
            version=version,
            title=fill(rule.get("title", distro), {**names, "id": called or distro}),
            arch=arch,
            variant=_variant(rule, version, names),
            edition=edition,
            live=live,
            shared=tuple(rule.get("shared", ())),
            coarse=bool(rule.get("coarse")),
        )


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with every `{name}` replaced; a name that was not captured is empty."""
    return _FIELD.sub(lambda name: values.get(name[1], ""), template)


def version_parts(version: str) -> dict[str, str]:
    """The pieces of a version that templates use: major, minor, mm ("12.5"), sp ("sp2"), and version itself."""
    numbers = version.split(".")
    minor = numbers[1] if len(numbers) > 1 else ""
    return {
        "version": version,
        "major": numbers[0],
        "minor": minor or "0",
        "mm": f"{numbers[0]}.{minor}" if minor else numbers[0],
        "sp": f"sp{minor}" if minor not in ("", "0") else "",
    }


def _version(rule: Mapping[str, Any], groups: Mapping[str, str]) -> str:
    if "version" in groups:
        raw = re.sub(r"[_-]", ".", groups["version"].replace("~", ""))
    else:
        raw = ".".join(groups[key] for key in ("major", "minor", "patch") if key in groups)
    if "versions" in rule:
        raw = rule["versions"].get(raw.lower(), raw)
    raw = fill(rule["version"], {**groups, **version_parts(raw)}) if "version" in rule else raw
    return raw.lower() or "unknown"


def _variant(rule: Mapping[str, Any], version: str, names: Mapping[str, str]) -> str | None:
    choice = rule.get("variant")
    if isinstance(choice, str):
        return fill(choice, names).lower()
    for pattern, template in choice or ():
        if re.fullmatch(pattern, version):
            return fill(template, names).lower() if template else None
    return None


def _edition(rule: Mapping[str, Any], labels: Labels) -> tuple[str | None, bool | None]:
    live: bool | None = rule.get("live")
    for pattern, edition, *lives in rule.get("edition", ()):
        if re.search(pattern, f"{labels.volume}\n{labels.application}", re.IGNORECASE):
            return edition, lives[0] if lives else live
    return None, live


def parse_rule(document: Mapping[str, Any], where: str) -> Rule:
    """The rule in `document`, checked: a taught one was perhaps written by hand. Raises Invalid naming `where`."""
    ways = check_rule(document, where)
    return Rule(document, tuple(word.lower() for word in document.get("when", ())), ways)


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Our own rules in the order of their file, uncompiled."""
    with open(os.path.join(os.path.dirname(__file__), "../../data/rules.json"), "rb") as file:
        rules = json.load(file)["rules"]
    return tuple(Rule(rule, tuple(rule.get("when", ()))) for rule in rules)


def all_hits(rules: Iterable[Rule], labels: Labels) -> Iterator[Hit]:
    """What each rule that matches says, in the rules' order; the first counts, the others are runners-up."""
    for rule in rules:
        hit = rule.matches(labels)
        if hit is not None:
            yield hit
