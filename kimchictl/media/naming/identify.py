"""Which system is on a medium: `identify`, and `explain` with the reasons. `kimchictl.media.naming.namer` decides."""

import os
from collections.abc import Mapping
from functools import lru_cache, partial

from kimchictl.config import Places, find_places
from kimchictl.media.naming.evidence import Evidence
from kimchictl.media.naming.inside import look_inside
from kimchictl.media.naming.knowledge import knowledge_key
from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import open_database
from kimchictl.media.naming.osinfo_files import directories
from kimchictl.media.naming.taught import taught_rules
from kimchictl.media.records import Identity, Media
from kimchictl.media.source import Source


def identify(media: Media, source: Source | None = None, namer: Namer | None = None) -> Identity:
    """Which system is on `media`. What nothing names is `unknown`; a wrong label, file or database raises nothing.

    `source` is the open medium: a file or a device is read once more, within bounds, where its labels cannot tell.
    """
    return explain(media, source, namer).identity


def explain(media: Media, source: Source | None = None, namer: Namer | None = None) -> Evidence:
    """The same with the evidence."""
    local = source is not None and source.kind in ("file", "device")
    look = partial(look_inside, source) if source is not None and local else None
    return (namer or installed_namer()).explain(media, look)


def installed_namer(environ: Mapping[str, str] = os.environ) -> Namer:
    """The namer that knows what is installed and taught here, put together anew when that changed."""
    places = find_places(environ)
    return _namer(directories(environ), places, knowledge_key(places, environ))


@lru_cache(maxsize=4)
def _namer(trees: tuple[str, ...], places: Places, _knowledge: str) -> Namer:
    return Namer(open_database(trees, places.cache_dir), taught_rules(places))
