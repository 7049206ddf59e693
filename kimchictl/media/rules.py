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
               where the labels leave it open (`kimchictl.media.inside`): an alternative has it or the others, not both
    version    a template for os_version; by default the groups of the match (see below)
    versions   optional table: what was captured -> the version ("0039" -> "12.1")
    variant    libosinfo's short id: a template, or a list of [pattern on the version, template], first match counts
    arch       the architecture where the labels have none
    arches     optional table: what was captured -> the architecture, before the general one
    edition    optional list of [pattern, edition, live?]; the first found in the volume or application label counts
    live       true or false where it is the same for all
    shared     other systems that have the very same labels, which is what a look inside the medium is for
    coarse     true where the label gives less than the version, likewise
    examples   [labels, "distro version arch"] pairs the rule was written for; the tests run each of them

A pattern must match the *whole* label, whatever its case; an absent label is a wildcard. `<version>` and `<arch>` in a
pattern stand for the groups of those names, see `PARTS`. The groups `version`, or `major`, `minor` and `patch` joined
by dots, give the version ("-" and "_" in it are dots). A group's name may come several times: the first that matched
counts. A template's `{name}` is a group, `{version}` the whole version, `{major}` its first number, `{mm}` its first
two, `{major}{sp}` the first with "sp2" for a second number of 2.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from kimchictl.errors import Invalid
from kimchictl.media.arches import ARCH_PATTERN, arch_of, canonical_arch
from kimchictl.media.records import Media

LABELS = ("volume", "system", "set", "publisher", "preparer", "application", "inside")

# What may follow a system's name and version on its label: "Ubuntu 22.04 backup" is nobody's installer.
_WORDS = (
    "dvd\\d?|cd\\d?|disc\\d?|live|live-?cd|live-?dvd|boot|net|netboot|netinst|netinstall|minimal|mini|full|core|base|baseos|"
    "appstream|server|workstation|desktop|client|everything|install|installer|standard|extended|lite|pro|ultimate|"
    "edu|education|enterprise|community|free|nonfree|official|one|powerpack|kde\\d?|gnome\\d*|xfce\\d?|lxde|lxqt|mate|"
    "cinnamon|budgie|plasma\\d?|i3|sway|hyprland|cosmic|openbox|fluxbox|icewm|edge|lts|sp\\d|u\\d+|alpha\\d*|beta\\d*|"
    "rc\\d*|final|release|stable|testing|snapshot|nvidia|intel|oem|hwe|uefi|efi|bios|iso|i?s?|text|gui"
)

# What `<name>` stands for in a pattern.
PARTS = {
    "arch": f"(?P<arch>{ARCH_PATTERN})",
    "version": r"(?P<version>\d+(?:[._-]\d+)*)",
    "v": r"v?(?P<version>\d+(?:\.\d+)*)",
    "tail": rf"(?:[-_. ~](?:(?P<arch>{ARCH_PATTERN})|{_WORDS}|v?\d[0-9a-z.]*))*",
}
_PART = re.compile(r"(?<!\?P)<(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Labels:
    """The identifiers of a medium under the names that rules use, and all of them in lower case for the literals."""

    volume: str = ""
    system: str = ""
    set: str = ""
    publisher: str = ""
    preparer: str = ""
    application: str = ""
    inside: str = ""
    joined: str = ""

    @classmethod
    def of(cls, media: Media, inside: str = "") -> "Labels":
        """The labels of `media`; with what a file `inside` it says, only rules about that match."""
        ids = (media.volume_id, media.system_id, media.volume_set_id, media.publisher_id, media.preparer_id)
        ids += (media.application_id, inside)
        return cls(*ids, joined=inside.lower() if inside else "\n".join(ids).lower())

    def arch(self) -> str | None:
        """The architecture that a label mentions, the volume id first."""
        return arch_of(self.volume, self.set, self.application)


@dataclass(frozen=True, slots=True)
class Hit:
    """What one rule says of one medium. `arch`, `variant`, `edition` and `live` are None where it does not say.

    `shared`: other systems have the very same labels. `coarse`: the label does not give all of the version.
    """

    rule: str
    distro: str
    version: str
    title: str
    arch: str | None = None
    variant: str | None = None
    edition: str | None = None
    live: bool | None = None
    shared: bool = False
    coarse: bool = False


@dataclass(slots=True)
class Rule:
    """One rule; its patterns are compiled when its literal is first seen in a label."""

    document: Mapping[str, Any]
    when: tuple[str, ...] = ()
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
        if self.when and not any(word in labels.joined for word in self.when):
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

    def _hit(self, groups: dict[str, str], labels: Labels) -> Hit:
        rule = self.document
        version = _version(rule, groups)
        names = {**groups, **version_parts(version)}
        arch = groups.get("arch", "").lower()
        arch = rule.get("arches", {}).get(arch) or canonical_arch(arch) or labels.arch() or rule.get("arch")
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
            shared=bool(rule.get("shared")),
            coarse=bool(rule.get("coarse")),
        )


def compile_pattern(text: str) -> re.Pattern[str]:
    """A rule's pattern with its `<parts>` filled in. Raises re.error, KeyError for an unknown part."""
    counter = count()
    text = _PART.sub(lambda part: PARTS[part[1]], text)
    # `re` wants every group's name once, and a rule wants "the architecture is here or there".
    text = _GROUP.sub(lambda group: f"(?P<{group[1]}__{next(counter)}>", text)
    return re.compile(text, re.IGNORECASE | re.ASCII | re.DOTALL)


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
    for key in ("name", "distro", "match"):
        if not document.get(key):
            raise Invalid(f"rule {where} lacks the key {key!r}")
    if not isinstance(document["match"], list) or not all(isinstance(option, dict) for option in document["match"]):
        raise Invalid(f"rule {where}: 'match' must be a list of objects with a pattern for each label")
    for label, text in (pair for option in document["match"] for pair in option.items()):
        if label not in LABELS:
            raise Invalid(f"rule {where}: there is no label {label!r}", f"the labels are {', '.join(LABELS)}")
        _check_pattern(text, label, where)
    words = document.get("when", [])
    return Rule(document, tuple(str(word).lower() for word in words))


def _check_pattern(text: object, label: str, where: str) -> None:
    if not isinstance(text, str) or len(text) > 1000:
        raise Invalid(f"rule {where}: the pattern for {label!r} must be a text of at most 1000 characters")
    try:
        compile_pattern(text)
    except (re.error, KeyError, RecursionError, OverflowError) as error:
        raise Invalid(f"rule {where}: the pattern for {label!r} is not a regular expression: {error}") from None


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Our own rules in the order of their file, uncompiled."""
    text = (Path(__file__).parent.parent / "data/rules.json").read_text("utf-8")
    return tuple(Rule(rule, tuple(rule.get("when", ()))) for rule in json.loads(text)["rules"])


def all_hits(rules: Iterable[Rule], labels: Labels) -> Iterator[Hit]:
    """What each rule that matches says, in the rules' order; the first counts, the others are runners-up."""
    for rule in rules:
        hit = rule.matches(labels)
        if hit is not None:
            yield hit
