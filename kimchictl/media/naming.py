"""Decides which system is on a medium: what this site taught first, then osinfo-db, then our own rules.

taught     a rule of the site that matches counts, whatever the others say
osinfo-db  its exact entry names the system; the version comes from our rule where that reads more of it off the
           same label ("12.5.0" where the entry says "12")
rules      for what the database does not know, knows only as "-unknown", or has by a pattern that stops short
inside     where the labels leave several systems, or none, one file of the medium itself is read (local ones only)
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kimchictl.media.evidence import Candidate, Evidence
from kimchictl.media.osinfo import Database, Entry
from kimchictl.media.records import Identity, Media
from kimchictl.media.rules import Hit, Labels, Rule, all_hits, shipped_rules

# osinfo-db's own ids under the names that users type, and those it has since given up.
_NAMES = {"win": "windows", "archlinux": "arch", "guix": "guix-system"}
# El Torito's platform ids (section 2.1): 80x86, PowerPC; 2 is a Mac, 0xEF any machine with UEFI.
_PLATFORMS = {0: "x86_64", 1: "ppc"}
_YEAR = 365 * 86400

Look = Callable[[], str | None]


class Namer:
    """Names media. `taught` are the site's rules, `database` is osinfo-db (empty where none is installed)."""

    def __init__(self, database: Database, taught: Sequence[Rule] = (), rules: Sequence[Rule] | None = None) -> None:
        self.database = database
        self.taught = taught
        self.rules = shipped_rules() if rules is None else rules

    def identify(self, media: Media, look: Look | None = None) -> Identity:
        """Which system is on `media`; `look` reads a file of the medium where the labels cannot tell."""
        return self.explain(media, look).identity

    def explain(self, media: Media, look: Look | None = None) -> Evidence:
        """The same with the reasons."""
        labels = Labels.of(media)
        taught = [_of_hit(hit, "taught") for hit in all_hits(self.taught, labels)]
        hits = list(all_hits(self.rules, labels))
        entries = self.database.matches(media)
        chosen, decided = _choose(taught, entries, hits, self.database)
        ranked = [*taught, *map(_of_entry, entries), *[_of_hit(hit, "rule") for hit in hits]]
        inside = None
        if look is not None and not taught and _undecided(chosen, entries, hits):
            inside = look()
            if inside:
                seen = next(all_hits(self.rules, Labels.of(media, inside)), None)
                if seen is not None and _agrees(seen, chosen, entries, hits):
                    chosen = self._inside(seen, chosen)
                    decided = "the labels leave it open, a file of the medium says it"
        runners_up = tuple(other for other in ranked if chosen is None or other.label != chosen.label)
        identity = _identity(chosen, labels, media)
        fields = {
            label: text
            for label in ("volume", "system", "set", "publisher", "preparer", "application")
            if (text := getattr(labels, label))
        }
        return Evidence(identity, fields, chosen, runners_up, decided, inside)

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


def _choose(
    taught: list[Candidate], entries: list[Entry], hits: list[Hit], database: Database
) -> tuple[Candidate | None, str]:
    """The answer that the labels give, and why that one."""
    if taught:
        return taught[0], "a rule of this site comes before all others"
    exact = next((entry for entry in entries if not entry.system.vague), None)
    hit = hits[0] if hits else None
    if exact is None and hit is None:
        vague = entries[0] if entries else None
        if vague is None:
            return None, "neither osinfo-db nor a rule knows these labels"
        return _of_entry(vague), "osinfo-db knows the distribution, not the release"
    if exact is None or (hit is not None and _reads_more(hit, exact, database)):
        assert hit is not None  # noqa: S101 - for the type checker: either is given
        return _of_hit(hit, "rule"), "osinfo-db does not know this release, a rule reads it from the label"
    return _refined(_of_entry(exact), hit), "osinfo-db has an entry for these labels"


def _reads_more(hit: Hit, exact: Entry, database: Database) -> bool:
    """Whether the rule is right against a database entry that names the same distribution.

    It is where the entry's pattern stops in the middle of a number ("8.1" for "8.10"), and where an entry for what was
    unstable when the database was made names a number that has been released since.
    """
    known = _of_entry(exact)
    if hit.distro.lower() != known.distro.lower() or not hit.version[:1].isdigit():
        return False
    if exact.system.version and not exact.system.version[:1].isdigit():
        return database.date < time.strftime("%Y-%m-%d", time.gmtime(time.time() - _YEAR))
    return hit.version.startswith(known.version) and hit.version[len(known.version) :][:1].isdigit()


def _undecided(chosen: Candidate | None, entries: list[Entry], hits: list[Hit]) -> bool:
    """Whether the labels leave it open: no answer, no version, or several systems that share the very labels."""
    if chosen is None or chosen.version == "unknown":
        return True
    if chosen.source == "rule":
        return hits[0].shared or hits[0].coarse
    best = [entry for entry in entries if entry.rank == entries[0].rank]
    return len(best) > 1 or bool(hits and hits[0].shared)


def _agrees(seen: Hit, chosen: Candidate | None, entries: list[Entry], hits: list[Hit]) -> bool:
    """Whether what a file says can be: of a labelled medium it tells the release, and never another distribution."""
    if chosen is None:
        return True
    distros = {chosen.distro, *[hit.distro for hit in hits], *[_of_entry(entry).distro for entry in entries]}
    return seen.distro in distros


def _of_hit(hit: Hit, source: str) -> Candidate:
    known = hit.version not in ("unknown", "rolling")
    title = f"{hit.title} {hit.version}" if known else hit.title
    return Candidate(source, hit.rule, hit.distro, hit.version, hit.variant, title, hit.arch, hit.edition, hit.live)


def _of_entry(entry: Entry) -> Candidate:
    system = entry.system
    return Candidate(
        "osinfo",
        system.short_id,
        _NAMES.get(system.distro, system.distro) or "unknown",
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


def _identity(chosen: Candidate | None, labels: Labels, media: Media) -> Identity:
    """The record, its architecture completed from the labels and at last from the boot record."""
    if chosen is None:
        return Identity(os_arch=labels.arch() or boot_arch(media))
    # A rule has looked at the labels already; a database entry may be one for any machine, or for several.
    said = labels.arch() if chosen.source == "osinfo" else None
    arch = chosen.arch or said or boot_arch(media)
    return Identity(
        os_distro=chosen.distro,
        os_version=chosen.version,
        os_arch=arch,
        os_variant=chosen.variant,
        os_name=chosen.title,
        edition=chosen.edition,
        live=chosen.live,
        identified_by=chosen.label,
    )


def boot_arch(media: Media) -> str | None:
    """The architecture of the boot record's platform. One for x86 runs on an x86_64 machine whichever it is."""
    return next((_PLATFORMS[platform] for platform in media.platforms if platform in _PLATFORMS), None)
