"""A look inside a medium whose labels cannot tell what it is."""

from kimchictl.media.records import Media
from kimchictl.media.source import Source


def look_inside(source: Source, media: Media) -> str | None:
    """What one file of the medium says of the system, or None."""
    return None
