"""What this site taught: documents of the kind "rules", in the format of the module `rules`, and making one."""

import os
import re
from collections.abc import Collection
from typing import Any

from kimchictl.config import Places
from kimchictl.errors import Invalid, KimchiError
from kimchictl.media.naming.arches import ARCH_PATTERN
from kimchictl.media.naming.labels import Labels
from kimchictl.media.naming.rules import Rule, parse_rule
from kimchictl.media.records import Media
from kimchictl.store import Document, FileStore, Layer

KIND = "rules"
MAX_WAYS = 10_000_000  # through the labels of one image, all rules of a site together: 0.2 s; a taught one has a few

# What generalises: an architecture, a version or a date.
_VARIABLE = re.compile(
    rf"(?P<arch>(?<![A-Za-z0-9])(?:{ARCH_PATTERN})(?![A-Za-z0-9]))"
    r"|(?P<date>(?:19|20)\d\d[._-]?\d\d[._-]?\d\d(?!\d))|\d+(?:[._-]\d+)*",
    re.IGNORECASE | re.ASCII,
)
_REQUIRED = ("set", "publisher", "application")
_TOOL = re.compile(
    r"mkisofs|genisoimage|xorriso|cdimage|cdrkit|isomaster|brasero|k3b|nero|imgburn|pycdlib", re.IGNORECASE
)


def taught_rules(places: Places) -> list[Rule]:
    """The site's rules, the caller's own first; one that is damaged names nothing (`iso teach` and `check` show it)."""
    layers = [Layer(os.path.join(path, KIND), "site", False) for path in (*places.data_dirs, *places.config_dirs)]
    try:
        listing = FileStore(KIND, layers, lock_timeout=1.0).read()
    except KimchiError:
        return []  # to name an image is not worth failing for a directory that is locked or not ours to read
    return usable_rules(listing.documents.values())[0]


def usable_rules(documents: Collection[Document]) -> tuple[list[Rule], dict[str, KimchiError]]:
    """The rules in `documents`, lowest layer first, in the order in which they count; why others name nothing."""
    rules: list[Rule] = []
    problems: dict[str, KimchiError] = {}
    ways = 0
    for document in reversed([*documents]):
        try:
            rule = parse_rule(document.data, repr(document.name))
            require_bearable(rule, ways)
        except KimchiError as error:
            problems[document.name] = error
            continue
        rules.append(rule)
        ways += rule.ways
    return rules, problems


def require_bearable(rule: Rule, others: int) -> None:
    """Raises Invalid where `rule` and others with so many ways through the labels of an image could take long."""
    if rule.ways + others > MAX_WAYS:
        message = f"rule {rule.name!r} could take long to match, together with the other rules of this site"
        raise Invalid(message, "kimchictl iso rule list names them: edit or delete those that repeat '.*'")


def teach(media: Media, distro: str, version: str, name: str | None = None) -> dict[str, Any]:
    """The document of a rule that names media labelled like this one: each label with its variable parts generalised.

    The version given is looked for in the volume id: where it stands, other ones are captured; else the rule has it as
    it is. The other labels are required, too, but for what only says which program made the image. Raises Invalid for
    a medium without any label of its own, which no rule could tell from another.
    """
    labels = Labels.of(media)
    match = {label: _generalised(text, True) for label in _REQUIRED if (text := _own(getattr(labels, label)))}
    if not labels.volume.strip() and not match:
        raise Invalid("an image without labels cannot be taught", "give its template a system with --os-distro instead")
    document: dict[str, Any] = {"name": name or _name(distro, version), "distro": distro, "title": distro}
    pattern, captured = generalise(labels.volume, version)
    if labels.volume.strip():
        match = {"volume": pattern, **match}
    if not captured:
        document["version"] = version
    if literal := _literal(labels):
        document["when"] = [literal]
    document |= {"match": [match], "examples": [[labels.volume, f"{distro} {version}"]]}
    parse_rule(document, repr(document["name"]))
    return document


def generalise(label: str, version: str) -> tuple[str, bool]:
    """A pattern for `label` with the version captured where it stands, and whether it was found there.

    As many numbers are captured as were given: of "4.2.7", taught as 4.2, the 7 is a variable part. Where the version
    is not in the label, its numbers may be what tells one release from another: only dates are variable then.
    """
    numbers = version.split(".")
    if not all(number.isdigit() for number in numbers):
        return _generalised(label, False), False
    found = re.search(rf"(?<![\d.]){'[._-]'.join(numbers)}(?!\d)", label)
    if found is None:
        return _generalised(label, False), False
    captured = r"(?P<version>" + r"[._-]".join([r"\d+"] * len(numbers)) + r")(?:[._-]\d+)*"
    rest = re.sub(r"^(?:[._-]\d+)+", "", label[found.end() :])
    return f"{_generalised(label[: found.start()], True)}{captured}{_generalised(rest, True)}", True


def _generalised(text: str, numbers: bool) -> str:
    """`text` as a pattern in which the architecture and dates, or all numbers, may be others."""
    parts = []
    at = 0
    for variable in _VARIABLE.finditer(text):
        if numbers or variable["arch"] or variable["date"]:
            parts += [_escaped(text[at : variable.start()]), "<arch>" if variable["arch"] else r"\d+(?:[._-]\d+)*"]
            at = variable.end()
    return "".join([*parts, _escaped(text[at:])])


def _escaped(text: str) -> str:
    # "<" would begin one of our parts.
    return re.escape(text).replace("<", r"\x3c")


def _own(text: str) -> str:
    """A label unless it only says which program wrote the image."""
    return "" if _TOOL.search(text) else text.strip()


def _literal(labels: Labels) -> str:
    """The longest word of the labels in lower case, for the rule to be cheap; a label of numbers alone as it is."""
    words = [word for word in re.split(r"[\W\d_]+", labels.joined.replace("\n", " ")) if not _TOOL.search(word)]
    own = max(re.split(r"[\W\d_]+", labels.volume.lower()), key=len)
    return own or max(words, key=len, default="")


def _name(distro: str, version: str) -> str:
    return re.sub(r"[^\w.-]+", "-", f"{distro}-{version}".lower())
