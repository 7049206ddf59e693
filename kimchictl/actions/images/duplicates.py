"""The same image at several places: by what the index knows first, then by a digest of the whole content."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from kimchictl.errors import KimchiError
from kimchictl.media.records import Image
from kimchictl.media.source import FileSource
from kimchictl.progress import SILENT, Progress

_PIECE = 1 << 20

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Copies of one image, files that share no blocks by being links: `freeable` bytes go if one of them stays.

    `size` is that of each in bytes, `digest` "sha256:HEX" of the content, `locations` sorted.
    """

    locations: tuple[str, ...]
    copies: int
    size: int
    freeable: int
    digest: str
    volume_id: str | None
    os_distro: str
    os_version: str


def find_duplicates(images: Iterable[Image], progress: Progress = SILENT) -> tuple[Duplicate, ...]:
    """The images of this machine that are there more than once, those that free most first.

    Only images with equal descriptors and size are read, and those whole. One that cannot be read, or is not as the
    index has it any more, is a note.
    """
    alike = _alike(images)
    progress.begin("comparing images", sum(image.size or 0 for group in alike for image in group), "bytes")
    found: list[Duplicate] = []
    done = 0
    for group in alike:
        same: dict[str, list[Image]] = {}
        for image in group:
            try:
                same.setdefault(_digest(image, done, progress), []).append(image)
            except KimchiError as error:
                progress.note(str(error))
            done += image.size or 0
        found += [_duplicate(digest, copies) for digest, copies in same.items() if len(copies) > 1]
    progress.end()
    return tuple(sorted(found, key=lambda each: (-each.freeable, each.locations)))


def _alike(images: Iterable[Image]) -> list[list[Image]]:
    """The groups of files with equal descriptors and size; names of the same file count once."""
    groups: dict[_Key, dict[tuple[int, int], Image]] = {}
    for image in sorted(images, key=lambda image: image.location):
        if image.host is not None or image.source not in ("file", "pool") or not image.size or image.error is not None:
            continue
        try:
            status = os.lstat(image.location)
        except OSError:
            continue  # gone since the scan: no copy any more
        labels = (image.volume_id, image.system_id, image.publisher_id, image.application_id, image.boot)
        groups.setdefault((image.size, *labels), {}).setdefault((status.st_dev, status.st_ino), image)
    return [list(group.values()) for group in groups.values() if len(group) > 1]


def _digest(image: Image, done: int, progress: Progress) -> str:
    """The digest of the whole file; `done` bytes of other files were read before. Raises a KimchiError."""
    from hashlib import sha256

    digest, at = sha256(), 0
    with FileSource(image.location) as source:
        while piece := source.read(at, _PIECE):
            digest.update(piece)
            at += len(piece)
            progress.advance(done + at, image.location)
    return f"sha256:{digest.hexdigest()}"


def _duplicate(digest: str, copies: list[Image]) -> Duplicate:
    first, size = copies[0], copies[0].size or 0
    return Duplicate(
        locations=tuple(image.location for image in copies),
        copies=len(copies),
        size=size,
        freeable=size * (len(copies) - 1),
        digest=digest,
        volume_id=first.volume_id,
        os_distro=first.os_distro,
        os_version=first.os_version,
    )
