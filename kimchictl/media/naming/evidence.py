"""How it is known what is on a medium: what `iso probe --explain` shows."""

from dataclasses import dataclass

from kimchictl.media.records import Identity


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer that was considered. `source` is taught, osinfo, rule, inside or shared; `name` the rule's or entry's.

    "shared" is a system that is known to have the same labels as the one that was named.
    """

    source: str
    name: str
    distro: str
    version: str
    variant: str | None = None
    title: str | None = None
    arch: str | None = None
    edition: str | None = None
    live: bool | None = None

    @property
    def label(self) -> str:
        """As `identified_by` has it: "osinfo:debian12", "rule:debian", "taught:our-appliance"."""
        return f"{self.source}:{self.name}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The identity with its reasons: the labels that were looked at, who else matched, and what decided.

    `inside` is the file of the medium that was read, with what it said, where the labels could not decide.
    """

    identity: Identity
    labels: dict[str, str]
    chosen: Candidate | None
    runners_up: tuple[Candidate, ...]
    decided: str
    inside: str | None = None
