"""Fetch an image to a file: under which name, what it must be, and whether it is there already.

file_name_of     what the image of a URL is called as a file
expected_of      the checksum that a template or an option names -> Checksum
fetch            an image at a path, fetched only if it is not there already
"""

import os
import re
from collections.abc import Sequence

from kimchictl.errors import Damaged, Exists, KimchiError, NotFound
from kimchictl.media.probe import probe
from kimchictl.media.records import Image
from kimchictl.media.remote import NetSettings, open_url
from kimchictl.media.remote.checksums import Checksum, find_sum, parse_checksum
from kimchictl.media.remote.download import Fetched, download, file_checksum
from kimchictl.media.source import Source, open_source
from kimchictl.progress import SILENT, Progress

_NAME_LIMIT = 200  # bytes


def file_name_of(url: str) -> str:
    """A name for the image behind `url`: the last part of its path, with nothing in it that a name must not have."""
    from kimchictl.media.remote.address import parse_address

    name = re.sub(r"[/\x00-\x1f\x7f-\x9f\ufffd]+", "-", parse_address(url).file_name).lstrip(".-").strip()
    stem, suffix = os.path.splitext(name)
    cut = os.fsencode(stem)[: _NAME_LIMIT - len(os.fsencode(suffix[:16]))]
    return cut.decode("utf-8", "ignore") + suffix[:16] or "image.iso"


def expected_of(checksum: str | None, addresses: Sequence[str], net: NetSettings) -> Checksum | None:
    """The checksum that the key `checksum` of a template means for the image at `addresses`; None when it is None.

    Raises Failed, Invalid; NotFound when its sums file does not name the image.
    """
    if checksum is None:
        return None
    if given := parse_checksum(checksum):
        return given
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.body import read_text

    text, own_names = read_text(checksum, net)
    names = [parse_address(url).file_name for url in addresses]
    found = find_sum(text, names, own_names[0]) or find_sum(text, _redirected_names(addresses, net), own_names[0])
    if found is None:
        raise NotFound(f"the sums file {checksum!r} does not name {names[0]!r}", "give the checksum as sha256:HEX")
    return found


def _redirected_names(addresses: Sequence[str], net: NetSettings) -> list[str]:
    """What the images are called where redirects lead: a link to the current release is not listed, the release is."""
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.facts import url_facts

    names = []
    for url in addresses:
        try:
            chain = url_facts(url, net).chain
        except KimchiError:
            continue  # who cannot be asked now cannot be fetched from either, which is told there
        names += [parse_address(address).file_name for address in chain[-1:]]
    return names


def fetch(
    addresses: Sequence[str], path: str, checksum: str | None, net: NetSettings, progress: Progress = SILENT
) -> Fetched:
    """The image of the first of `addresses` that answers, at `path`; verified where `checksum` is given.

    What is there already and is the same is not fetched again: by its checksum, or where none is known, by its size
    and its first sectors. Raises Failed, Damaged (the checksum), Exists (something else is there), Locked, NotFound.
    """
    expected = expected_of(checksum, addresses, net)
    if os.path.lexists(path):
        return _already(addresses, path, expected, net, progress)
    return download(addresses, path, net, expected, progress)


def _already(
    addresses: Sequence[str], path: str, expected: Checksum | None, net: NetSettings, progress: Progress
) -> Fetched:
    if expected is not None:
        found = file_checksum(path, expected.algorithm, progress)
        if found != expected:
            raise Exists(f"{path} already exists and is not the image that its checksum names", _REMOVE)
        progress.note(f"{path} is there already, and its checksum is right")
        return Fetched(path, addresses[0], os.path.getsize(path), found, verified=True, fetched=False)
    with open_source(path) as here:
        same = same_image(addresses, here, net, progress)
    if not same:
        raise Exists(f"{path} already exists and is not the image of {addresses[0]}", _REMOVE)
    progress.note(f"{path} is there already, with the size and the first sectors of the image")
    return Fetched(path, addresses[0], os.path.getsize(path), None, verified=False, fetched=False)


_REMOVE = "remove it, or choose another name"


def same_image(addresses: Sequence[str], source: Source, net: NetSettings, progress: Progress = SILENT) -> bool:
    """Whether `source` has the size and the descriptors of the image at `addresses`. Raises Failed, Damaged."""
    from kimchictl.actions.images.mirrors import first_answer

    def look(url: str) -> Image:
        with open_url(url, net) as source:
            return probe(source)

    there, _ = first_answer(addresses, look, progress)
    try:
        here = probe(source)
    except Damaged:
        return False
    return here.error is None and there.size is not None and _traits(here) == _traits(there)


def _traits(image: Image) -> tuple[object, ...]:
    names = ("size", "volume_id", "system_id", "publisher_id", "application_id", "bootable", "boot")
    return tuple(getattr(image, name) for name in names)
