"""SOURCE as the command line has it: a path, pool:POOL/VOLUME or a URL, told apart and opened.

    split_source   what a text names: ("url", ...), ("pool", ...) or ("path", ...)
    opened         what a text names, open for reading
    look_at        the image that a text names, with the evidence of its name; probe_source without

With a host that is not this machine a plain path names a file there: it is looked up as a volume, never opened here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kimchictl.config import Config
from kimchictl.errors import Invalid, NotFound, without_password
from kimchictl.media.descriptors import read_media
from kimchictl.media.naming.evidence import Evidence
from kimchictl.media.naming.identify import explain
from kimchictl.media.probe import describe
from kimchictl.media.records import Image
from kimchictl.media.source import Source, open_source

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host
    from kimchictl.virt.storage.volumes import Volume

SCHEMES = ("http", "https", "ftp", "ftps")


def split_source(text: str) -> tuple[str, str]:
    """("url", URL), ("pool", "POOL/VOLUME") or ("path", PATH). Raises Invalid for any other form."""
    scheme, mark, _rest = text.partition("://")
    if mark and scheme.isalnum():
        if scheme.lower() not in SCHEMES:
            shown = without_password(text)
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


@dataclass(frozen=True, slots=True)
class Seen:
    """An image with the evidence of its name."""

    image: Image
    evidence: Evidence


def probe_source(text: str, host: Callable[[], "Host"], config: Config, remote: bool = False) -> Image:
    """The image that `text` names; see `look_at`."""
    return look_at(text, host, config, remote).image


def look_at(text: str, host: Callable[[], "Host"], config: Config, remote: bool = False) -> Seen:
    """The image that `text` names, and why it is called what it is called; `remote` as for `opened`.

    Raises NotFound, Invalid, Failed, Damaged, HostError.
    """
    kind, rest = split_source(text)
    if kind == "url" or (kind == "path" and not remote):
        with opened(text, host, config) as source:
            return _seen(source)
    connection = host()
    volume = _volume(kind, rest, connection)
    with _open_volume(volume, connection) as source:
        seen = _seen(source)
    where = None if connection.is_local else connection.uri
    image = seen.image._replace(
        source="pool", host=where, pool=volume.pool, volume=volume.name, capacity=volume.capacity
    )
    return replace(seen, image=image)


def opened(text: str, host: Callable[[], "Host"], config: Config, remote: bool = False) -> Source:
    """What `text` names, open; to be closed by the caller.

    `host` opens the connection and is called only for a volume; with a host that is `remote`, a path is one, too. A URL
    is asked as `config` says. Raises NotFound, Invalid, Failed, HostError.
    """
    kind, rest = split_source(text)
    if kind == "path" and not remote:
        return _open_local(rest)
    if kind in ("path", "pool"):
        connection = host()
        return _open_volume(_volume(kind, rest, connection), connection)
    from kimchictl.media.remote import net_settings, open_url

    return open_url(rest, net_settings(config))


def _seen(source: Source) -> Seen:
    media = read_media(source)
    evidence = explain(media, source)
    return Seen(describe(source, media, evidence.identity), evidence)


def _open_local(path: str) -> Source:
    try:
        return open_source(path)
    except NotFound as error:
        name = os.path.basename(path) or path
        hint = f"a volume of a storage pool is written pool:POOL/{name}" if name.isprintable() else None
        raise NotFound(str(error), hint) from None


def _volume(kind: str, rest: str, host: "Host") -> "Volume":
    """The volume that POOL/VOLUME or a path on the host names. Raises NotFound, WrongState."""
    from kimchictl.virt.storage.volumes import find_by_path, find_volume

    if kind == "pool":
        pool, _, name = rest.partition("/")
        return find_volume(host, pool, name)
    found = find_by_path(host, rest)
    if found is None:
        raise NotFound(
            f"{rest!r} is in no active storage pool of {host.uri}",
            "kimchictl volume list shows what is; a file of this machine is read without -c",
        )
    return found


def _open_volume(volume: "Volume", host: "Host") -> Source:
    """A file of this machine directly, anything else through libvirt."""
    if host.is_test or (host.is_local and volume.type in ("file", "block") and volume.path):
        return open_source(volume.path or volume.name)
    from kimchictl.virt.storage.volumesource import open_volume

    return open_volume(host, volume.pool, volume.name)
