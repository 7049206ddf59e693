"""Names what is on a medium from its labels: `identify(media)`."""

from kimchictl.media.records import Identity, Media
from kimchictl.media.rules import Hit, Labels, all_hits, shipped_rules


def identify(media: Media, name_hint: str | None = None) -> Identity:
    """Which system is on `media`. What nothing names is `unknown`; nothing here raises or reads the medium again."""
    labels = Labels.of(media)
    hit = next(all_hits(shipped_rules(), labels), None)
    if hit is None:
        return Identity(os_arch=labels.arch() or boot_arch(media))
    return identity_of(hit, media)


def identity_of(hit: Hit, media: Media) -> Identity:
    """The identity that a rule gives, its architecture completed from the boot record."""
    known = hit.version not in ("unknown", "rolling")
    return Identity(
        os_distro=hit.distro,
        os_version=hit.version,
        os_arch=hit.arch or boot_arch(media),
        os_variant=hit.variant,
        os_name=f"{hit.title} {hit.version}" if known else hit.title,
        edition=hit.edition,
        live=hit.live,
        identified_by=f"rule:{hit.rule}",
    )


# El Torito's platform ids (section 2.1): 80x86, PowerPC; 2 is a Mac, 0xEF any machine with UEFI.
_PLATFORMS = {0: "x86_64", 1: "ppc"}


def boot_arch(media: Media) -> str | None:
    """The architecture of the boot record's platform. One for x86 runs on an x86_64 machine whichever it is."""
    return next((_PLATFORMS[platform] for platform in media.platforms if platform in _PLATFORMS), None)
