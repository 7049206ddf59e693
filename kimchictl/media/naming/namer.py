"""Decides which system is on a medium: what this site taught first, then osinfo-db, then our own rules.

taught     a rule of the site that matches counts, whatever the others say
osinfo-db  its exact entry names the system; the version comes from our rule where that reads more of it off the
           same label ("12.5.0" where the entry says "12")
rules      for what the database does not know, knows only as "-unknown", or has by a pattern that stops short
inside     where the labels leave several systems, or none, one file of the medium itself is read (local ones only)
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kimchictl.media.naming.evidence import Candidate, Evidence
from kimchictl.media.naming.inside import NOTHING, Inside
from kimchictl.media.naming.osinfo import Database, Entry
from kimchictl.media.naming.rules import LABELS, Hit, Labels, Rule, all_hits, shipped_rules
from kimchictl.media.records import Identity, Media

# osinfo-db's own ids under the names that users type, and those it has since given up.
OSINFO_NAMES = {"win": "windows", "archlinux": "arch", "guix": "guix-system"}
NO_DATABASE = "no osinfo-db is installed (the package osinfo-db brings it)"
# El Torito's platform ids (section 2.1): 80x86, PowerPC; 2 is a Mac, 0xEF any machine with UEFI.
_PLATFORMS = {0: "x86_64", 1: "ppc"}
_YEAR = 365 * 86400

# A volume of somebody's own files mentions a system at most: "Debian 12.5.0 backup".
_OWN_FILES = re.compile(
    r"(?<![a-z])(?:back-?ups?|photos?|pictures?|pics|music|songs|videos?|movies?|drivers?|docs?|documents?|notes|dumps?"
    r"|scans?|wedding|holidays?|archives?)(?![a-z])",
    re.IGNORECASE,
)

Look = Callable[[], Inside]


class Namer:
    """Names media. `taught` are the site's rules, `database` is osinfo-db (empty where none is installed)."""

    def __init__(self, database: Database, taught: Sequence[Rule] = (), rules: Sequence[Rule] | None = None) -> None:
        self.database = database
        self.taught = taught
        self.rules = shipped_rules() if rules is None else rules
        # A server has the same image, or the daily build of one, many times over: each label is looked up once.
        self._by_labels = lru_cache(maxsize=512)(self._look_up)

    def identify(self, media: Media, look: Look | None = None) -> Identity:
        """Which system is on `media`; `look` reads a file of the medium where the labels cannot tell."""
        return self.explain(media, look).identity

    def explain(self, media: Media, look: Look | None = None) -> Evidence:
        """The same with the reasons."""
        labels = Labels.of(media)
        found = self._by_labels(media)
        chosen, decided = found.choose()
        undecided = found.undecided(chosen)
        if undecided and chosen is not None and chosen.version != "unknown" and found.is_shared():
            decided += "; others have the same labels, the newest counts"
        seen = NOTHING
        if look is not None and (undecided or not (labels.arch() or (chosen and chosen.arch))):
            seen = look()
        if undecided and seen.text:
            hit = next(all_hits(self.rules, Labels.of(media, seen.text)), None)
            if hit is not None and found.allows(hit, chosen):
                chosen, decided = self._inside(hit, chosen), f"the labels leave it open, {seen.path} says it"
        fields = {label: text for label in LABELS[:-1] if (text := getattr(labels, label))}
        identity = _identity(chosen, labels.arch(), seen.arch or boot_arch(media))
        return Evidence(identity, fields, chosen, found.others(chosen), decided, seen.text if undecided else None)

    def _look_up(self, media: Media) -> "_Found":
        labels = Labels.of(media)
        taught = list(all_hits(self.taught, labels))
        if _OWN_FILES.search(media.volume_id):
            return _Found(taught, [], [], self.database, own_files=True)
        entries = self.database.matches(media)
        if arch := labels.arch():
            entries = [replace(entry, arch=arch) for entry in entries]
        return _Found(taught, entries, list(all_hits(self.rules, labels)), self.database)

    def _inside(self, seen: Hit, chosen: Candidate | None) -> Candidate:
        """What a file of the medium says, with what only the label gave."""
        found = _of_hit(seen, "inside")
        system = self.database.system(found.variant) if found.variant else None
        if system is not None and system.name:
            found = replace(found, title=system.name)
        if chosen is None:
            return found
        live = chosen.live if found.live is None else found.live
        return replace(found, arch=found.arch or chosen.arch, edition=found.edition or chosen.edition, live=live)


@dataclass(frozen=True, slots=True)
class _Found:
    """What each of the three says of the labels, best first."""

    taught: list[Hit]
    entries: list[Entry]
    hits: list[Hit]
    database: Database
    own_files: bool = False

    def choose(self) -> tuple[Candidate | None, str]:
        """The answer that the labels give, and why that one."""
        if self.taught:
            return _of_hit(self.taught[0], "taught"), "a rule of this site comes before all others"
        if self.own_files:
            return None, "the volume id speaks of somebody's own files"
        exact = next(iter(self._best()), None)
        hit = self.hits[0] if self.hits else None
        if hit is not None and (exact is None or self._reads_more(hit, exact)):
            silent = "osinfo-db does not know this release" if self.database else NO_DATABASE
            return _of_hit(hit, "rule"), f"{silent}, a rule reads it off the label"
        if exact is not None:
            return _refined(_of_entry(exact), hit), "osinfo-db has an entry for these labels"
        if self.entries:
            return _of_entry(self.entries[0]), "osinfo-db knows the distribution, not the release"
        silent = "neither osinfo-db nor a rule knows these labels"
        return None, silent if self.database else f"{NO_DATABASE}, and no rule knows these labels"

    def _reads_more(self, hit: Hit, exact: Entry) -> bool:
        """Whether the rule is right against a database entry that names the same distribution.

        It is where the entry's pattern stops in the middle of a number ("8.1" for "8.10"), and where an entry for what
        was unstable when the database was made takes a number that has been released since.
        """
        known = _of_entry(exact)
        if hit.distro.lower() != known.distro.lower() or not hit.version[:1].isdigit():
            return False
        if exact.system.version and not exact.system.version[:1].isdigit():
            return self.database.date < time.strftime("%Y-%m-%d", time.gmtime(time.time() - _YEAR))
        return hit.version.startswith(known.version) and hit.version[len(known.version) :][:1].isdigit()

    def undecided(self, chosen: Candidate | None) -> bool:
        """Whether the labels leave it open: no answer, no version, or several systems that share the very labels."""
        if self.taught or self.own_files:
            return False
        if chosen is None or chosen.version == "unknown":
            return True
        best = self.hits[0] if self.hits else None
        coarse = best is not None and best.coarse and "." not in best.version
        return self.is_shared() or (coarse and chosen.source == "rule")

    def is_shared(self) -> bool:
        """Whether several systems have these labels."""
        return len(self._best()) > 1 or bool(self.hits and self.hits[0].shared)

    def _best(self) -> list[Entry]:
        """The entries of the database that are as good as its best, the newest first; one, if our rule can tell."""
        exact = [entry for entry in self.entries if not entry.system.vague]
        best = [entry for entry in exact if entry.rank == exact[0].rank]
        if len(best) > 1 and self.hits and not self.hits[0].shared:
            told = [entry for entry in best if _same(_of_entry(entry), self.hits[0])]
            return told or best
        return best

    def allows(self, seen: Hit, chosen: Candidate | None) -> bool:
        """Whether what a file says can be: of a labelled medium it tells the release, never another distribution."""
        known = {hit.distro.lower() for hit in self.hits} | {_of_entry(entry).distro.lower() for entry in self.entries}
        return chosen is None or seen.distro.lower() in known

    def others(self, chosen: Candidate | None) -> tuple[Candidate, ...]:
        """Who else matched, in the order of precedence, then who is known to have the same labels."""
        matched = [*[_of_hit(hit, "taught") for hit in self.taught], *map(_of_entry, self.entries)]
        matched += [_of_hit(hit, "rule") for hit in self.hits]
        named = {(other.distro, other.version) for other in [*matched, *([chosen] if chosen else [])]}
        sharing = [other for hit in self.hits for other in _sharing(hit) if (other.distro, other.version) not in named]
        return tuple(other for other in [*matched, *sharing] if chosen is None or other.label != chosen.label)


def _same(known: Candidate, hit: Hit) -> bool:
    return known.distro.lower() == hit.distro.lower() and f"{hit.version}.".startswith(f"{known.version}.")


def _sharing(hit: Hit) -> list[Candidate]:
    """The systems that a rule knows to have the labels it matches."""
    triples = [[*shared.split(), "", "", ""][:3] for shared in hit.shared]
    return [Candidate("shared", variant, distro, version, variant or None) for distro, version, variant in triples]


def _of_hit(hit: Hit, source: str) -> Candidate:
    known = hit.version not in ("unknown", "rolling")
    title = f"{hit.title} {hit.version}" if known else hit.title
    return Candidate(source, hit.rule, hit.distro, hit.version, hit.variant, title, hit.arch, hit.edition, hit.live)


def _of_entry(entry: Entry) -> Candidate:
    system = entry.system
    return Candidate(
        "osinfo",
        system.short_id,
        OSINFO_NAMES.get(system.distro, system.distro) or "unknown",
        system_version(system.short_id, system.version, system.status),
        system.short_id,
        system.name or None,
        entry.arch,
        None,
        entry.live,
    )


def system_version(short_id: str, version: str, status: str) -> str:
    """A database's version as `os_version` has it: Windows by its name, "rolling" where there are no versions."""
    if short_id.startswith("win") and not short_id.startswith("winnt"):
        name = short_id.removeprefix("win")
        if not name.startswith("2k"):
            return name
        years = name.removeprefix("2k").partition("r2")
        return f"{2000 + int(years[0] or 0)}{years[1]}" if (years[0] or "0").isdigit() else name
    version = version.removesuffix("unknown").rstrip("-").lower()
    return version or ("rolling" if status == "rolling" else "unknown")


def _refined(known: Candidate, hit: Hit | None) -> Candidate:
    """The database's answer with what the rule for the same label adds: a point release, an edition, whether live."""
    if hit is None or hit.distro.lower() != known.distro.lower():
        return known
    finer = known.version == "unknown" or hit.version.startswith(f"{known.version}.")
    return replace(
        known,
        version=hit.version if finer else known.version,
        arch=hit.arch or known.arch,
        edition=hit.edition,
        live=known.live or bool(hit.live),
    )


def _identity(chosen: Candidate | None, labelled: str | None, booted: str | None) -> Identity:
    """The record; the architecture is the label's, else the boot files' or at last the boot record's."""
    if chosen is None:
        return Identity(os_arch=labelled or booted)
    return Identity(
        os_distro=chosen.distro,
        os_version=chosen.version,
        os_arch=chosen.arch or booted,
        os_variant=chosen.variant,
        os_name=chosen.title,
        edition=chosen.edition,
        live=chosen.live,
        identified_by=chosen.label,
    )


def boot_arch(media: Media) -> str | None:
    """The architecture of the boot record's platform. One for x86 runs on an x86_64 machine whichever it is."""
    return next((_PLATFORMS[platform] for platform in media.platforms if platform in _PLATFORMS), None)
