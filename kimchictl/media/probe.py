"""The one prober: a source -> the Image that every `iso` command prints. Descriptors, name and stamp put together.

`probe` and `probe_path` raise for what is no image, since somebody asked for this one by name; `probe_record` never
does, since a scan of ten thousand files must outlive the worst of them: what it could not read is a record whose
`error` says why.
"""

import time
from collections.abc import Callable
from datetime import datetime

from kimchictl.errors import Invalid, KimchiError, NotFound
from kimchictl.media.descriptors import NOT_AN_IMAGE, NotAnImage, read_media
from kimchictl.media.naming.identify import identify
from kimchictl.media.records import Identity, Image, Media
from kimchictl.media.source import FileSource, Source, Unreadable, open_source
from kimchictl.units import format_time

FRESH_SECONDS = 60  # an image changed more recently may still be on its way; no scan makes a template of it


def probe(source: Source) -> Image:
    """The image that `source` is. Raises NotAnImage (a Damaged) when it is none; Unreadable, TimedOut."""
    media = read_media(source)
    return describe(source, media, identify(media, source))


def probe_path(path: str) -> Image:
    """The image at `path`, made absolute and its links resolved. Raises NotFound, Invalid, Unreadable, NotAnImage."""
    with open_source(path) as source:
        return probe(source)


def probe_record(path: str, open_file: Callable[[str], Source] = FileSource) -> Image:
    """The image at `path`, which is absolute and real already; never raises one of our errors.

    `error` is NOT_AN_IMAGE for a file that is none, "incomplete" for one shorter than its descriptors say, else why it
    could not be opened or read; `readable` is False only for the latter.
    """
    try:
        source = open_file(path)
    except KimchiError as error:
        return Image(location=path, source="file", readable=False, error=_reason(error))
    with source:
        return probe_source_record(source)


def probe_source_record(source: Source) -> Image:
    """What `probe` says of a source that is open; what it would raise becomes the record's `error`."""
    bare = Image(location=source.location, source=source.kind, size=source.size, mtime=format_time(source.mtime))
    try:
        return probe(source)
    except NotAnImage:
        return bare._replace(error=NOT_AN_IMAGE)
    except KimchiError as error:
        return bare._replace(readable=False, error=_reason(error))


def describe(source: Source, media: Media, identity: Identity) -> Image:
    """The record of an image from what was read and how it was named; for who has the parts at hand already."""
    return Image(
        location=source.location,
        source=source.kind,
        size=source.size,
        mtime=format_time(source.mtime),
        volume_id=media.volume_id,
        system_id=media.system_id,
        publisher_id=media.publisher_id,
        application_id=media.application_id,
        bootable=media.bootable,
        boot=_firmware(media, identity.os_arch),
        os_distro=identity.os_distro,
        os_version=identity.os_version,
        os_arch=identity.os_arch,
        os_variant=identity.os_variant,
        os_name=identity.os_name,
        edition=identity.edition,
        identified_by=identity.identified_by,
        live=identity.live,
        error=media.error,
    )


def is_fresh(mtime: str | float | None, now: float | None = None) -> bool:
    """Whether an image with this `mtime` (Image.mtime, or seconds) changed in the last minute before `now`."""
    if isinstance(mtime, str):
        mtime = datetime.fromisoformat(mtime).timestamp()
    now = time.time() if now is None else now
    # A stamp a little ahead of the clock is fresh, too (a file server's clock); one far ahead says nothing.
    return mtime is not None and -FRESH_SECONDS < now - mtime < FRESH_SECONDS


def _firmware(media: Media, arch: str | None) -> tuple[str, ...]:
    """The firmware kinds that boot the image. Writers leave the platform at x86 for machines that never had a BIOS."""
    if media.boot != ("bios",) or arch in (None, "x86_64", "i686", "i386"):
        return media.boot
    return ("uefi",) if arch in ("aarch64", "armv7l", "riscv64", "loongarch64", "ia64") else ()


def _reason(error: KimchiError) -> str:
    """Why, without the name where that goes: the record's location says which image it is."""
    if isinstance(error, Unreadable):
        return error.reason
    if isinstance(error, NotFound):
        return "does not exist"
    return "neither a file nor a block device" if isinstance(error, Invalid) else str(error)
