"""What this site taught: documents of the kind "rules", in the format of `kimchictl.media.rules`, and making one."""

import os
import re
from typing import Any

from kimchictl.config import Places
from kimchictl.errors import Invalid, KimchiError
from kimchictl.media.records import Media
from kimchictl.media.rules import Rule, parse_rule
from kimchictl.store import FileStore, Layer

KIND = "rules"

# What generalises: a version or a date, and an architecture.
_VARIABLE = re.compile(r"\d+(?:[._-]\d+)*")


def taught_rules(places: Places) -> list[Rule]:
    """The site's rules, the caller's own first; one that is damaged names nothing (`iso teach` and `check` show it)."""
    layers = [Layer(os.path.join(path, KIND), "site", False) for path in (*places.data_dirs, *places.config_dirs)]
    try:
        listing = FileStore(KIND, layers, lock_timeout=1.0).read()
    except KimchiError:
        return []  # to name an image is not worth failing for a directory that is locked or not ours to read
    rules = []
    for document in reversed(listing.documents.values()):
        try:
            rules.append(parse_rule(document.data, repr(document.name)))
        except KimchiError:
            continue
    return rules


def teach(media: Media, distro: str, version: str, name: str | None = None) -> dict[str, Any]:
    """The document of a rule that names media labelled like this one: the label with its variable parts generalised.

    The version given is looked for in the label: where it stands, later ones are captured; else it is written into the
    rule. An application or a publisher that is more than the name of the program that made the image is required, too.
    Raises Invalid for a medium without a volume id, which no rule could tell from another.
    """
    label = media.volume_id.strip()
    if not label:
        raise Invalid(
            "an image without a volume id cannot be taught", "give its template an OS with --os-distro instead"
        )
    pattern, captured = generalise(label, version)
    match = {"volume": pattern}
    if media.publisher_id.strip():
        match["publisher"] = re.escape(media.publisher_id.strip())
    document: dict[str, Any] = {
        "name": name or f"{distro}-{version}".lower(),
        "distro": distro,
        "title": distro,
        "when": [max(re.split(r"[\d\W_]+", label.lower()), key=len)],
        "match": [match],
        "examples": [[label, f"{distro} {version}"]],
    }
    if not document["when"][0]:
        document["when"] = [label.lower()]
    if not captured:
        document["version"] = version
    parse_rule(document, repr(document["name"]))
    return document


def generalise(label: str, version: str) -> tuple[str, bool]:
    """A pattern for `label` with the version captured where it stands, and whether it was found there."""
    spelled = r"[._-]".join(re.escape(number) for number in version.split("."))
    found = re.search(rf"(?<!\d){spelled}(?:[._-]\d+)*(?!\d)", label) if version else None
    if found is None:
        return _variables(label), False
    return f"{_variables(label[: found.start()])}<version>{_variables(label[found.end() :])}", True


def _variables(text: str) -> str:
    """`text` as a pattern in which numbers may be others."""
    parts = []
    at = 0
    for number in _VARIABLE.finditer(text):
        parts += [re.escape(text[at : number.start()]), r"[\d._-]+"]
        at = number.end()
    return "".join([*parts, re.escape(text[at:])])
