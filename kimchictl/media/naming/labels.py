"""The labels of a medium as rules see them, and the patterns over them."""

import re
from dataclasses import dataclass
from itertools import count

from kimchictl.media.naming.arches import ARCH_PATTERN, arch_of
from kimchictl.media.records import Media

MAX_VOLUME_ID = 64
MAX_INSIDE = 200

LABELS = ("volume", "system", "set", "publisher", "preparer", "application", "inside")

# What may follow a system's name and version on its label: "Ubuntu 22.04 backup" is nobody's installer.
_WORDS = (
    "dvd\\d?|cd\\d?|disc\\d?|live|live-?cd|live-?dvd|boot|net|netboot|netinst|netinstall|minimal|mini|full|core|base|baseos|"
    "appstream|server|workstation|desktop|client|everything|install|installer|standard|extended|lite|pro|ultimate|"
    "edu|education|enterprise|community|free|nonfree|official|one|powerpack|kde\\d?|gnome\\d*|xfce\\d?|lxde|lxqt|mate|"
    "cinnamon|budgie|plasma\\d?|i3|sway|hyprland|cosmic|openbox|fluxbox|icewm|edge|lts|sp\\d|u\\d+|alpha\\d*|beta\\d*|"
    "rc\\d*|final|release|stable|testing|snapshot|nvidia|intel|oem|hwe|uefi|efi|bios|iso|i?s?|text|gui"
)

# What `<name>` stands for in a pattern. "(?>" has no second thoughts: a word of a tail has one reading, where "-386"
# could be an architecture or a number, and a label of many such words would otherwise be tried in every combination.
PARTS = {
    "arch": f"(?P<arch>(?>{ARCH_PATTERN}))",
    "version": r"(?P<version>\d+(?:[._-]\d+)*)",
    "v": r"v?(?P<version>\d+(?:\.\d+)*)",
    "tail": rf"(?:[-_. ~](?>(?:(?P<arch>{ARCH_PATTERN})|{_WORDS}|v?\d[0-9a-z]*)(?![0-9a-z])))*",
}
_PART = re.compile(r"(?<!\?P)<(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>")
PATTERN_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL


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
        # A pattern's cost grows with the label, and a UDF volume's may have 126 characters where ISO 9660 has 32.
        ids = (
            media.volume_id[:MAX_VOLUME_ID],
            media.system_id,
            media.volume_set_id,
            media.publisher_id,
            media.preparer_id,
            media.application_id,
        )
        return cls(*ids, inside, joined=inside.lower() if inside else "\n".join(ids).lower())

    def arch(self) -> str | None:
        """The architecture that a label mentions, the volume id first."""
        return arch_of(self.volume, self.set, self.application)


def expanded(text: str) -> str:
    """A rule's pattern with its `<parts>` filled in. Raises KeyError for an unknown part."""
    counter = count()
    text = _PART.sub(lambda part: PARTS[part[1]], text)
    # `re` wants every group's name once, and a rule wants "the architecture is here or there".
    return _GROUP.sub(lambda group: f"(?P<{group[1]}__{next(counter)}>", text)


def compile_pattern(text: str) -> re.Pattern[str]:
    """A rule's pattern. Raises re.error, KeyError for an unknown part."""
    return re.compile(expanded(text), PATTERN_FLAGS)
