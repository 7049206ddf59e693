"""SOURCE as the command line has it: a path, pool:POOL/VOLUME or a URL, told apart and opened.

    split_source   what a text names: ("url", ...), ("pool", ...) or ("path", ...)
    probe_source   the image that a text names

With a host that is not this machine a plain path names a file there: it is looked up as a volume, never opened here.
"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from kimchictl.config import Config
from kimchictl.errors import Invalid, NotFound
from kimchictl.media.probe import probe, probe_path
from kimchictl.media.records import Image
from kimchictl.media.source import open_source

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

SCHEMES = ("http", "https", "ftp", "ftps")


def split_source(text: str) -> tuple[str, str]:
    """("url", URL), ("pool", "POOL/VOLUME") or ("path", PATH). Raises Invalid for any other form."""
    scheme, mark, _rest = text.partition("://")
    if mark and scheme.isalnum():
        if scheme.lower() not in SCHEMES:
            shown = re.sub(r"(?<=://)[^/?#]*@", "***@", text)
            raise Invalid(f"{shown!r}: the scheme {scheme!r} is not one of {', '.join(SCHEMES)}")
        return "url", text
    if text.startswith("pool:"):
        pool, _, volume = text[5:].partition("/")
        if not pool or not volume:
            raise Invalid(f"{text!r} does not name a volume", "write it like pool:POOL/VOLUME")
        return "pool", text[5:]
    if not text or "\0" in text:
        raise Invalid("an empty path names no image" if not text else f"{text!r} is no path")
    return "path", text


def probe_source(text: str, host: Callable[[], "Host"], config: Config, ca_file: str | None = None) -> Image:
    """The image that `text` names; `host` opens the connection and is called only for a volume.

    A URL is asked as `config` says, and `ca_file` names certificates to trust besides the system's.

    Raises NotFound, Invalid, Failed, Damaged, HostError.
    """
    kind, rest = split_source(text)
    if kind == "path":
        return _probe_local(rest)
    if kind == "pool":
        return _probe_volume(rest, host())
    from kimchictl.media.remote import net_settings, open_url

    with open_url(rest, net_settings(config, ca_file)) as source:
        return probe(source)


def _probe_local(path: str) -> Image:
    try:
        return probe_path(path)
    except NotFound as error:
        name = os.path.basename(path) or path
        hint = f"a volume of a storage pool is written pool:POOL/{name}" if name.isprintable() else None
        raise NotFound(str(error), hint) from None


def _probe_volume(name: str, host: "Host") -> Image:
    from kimchictl.virt.volumes import find_volume

    pool, _, volume = name.partition("/")
    found = find_volume(host, pool, volume)
    with open_source(found.path) as source:
        return replace(probe(source), source="pool", pool=pool, volume=volume, capacity=found.capacity)
