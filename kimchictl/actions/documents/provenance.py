"""The key `made`: where a template came from, and which image it was, so that a copy is known for the same one."""

from typing import TYPE_CHECKING, Any

from kimchictl.units import format_time

if TYPE_CHECKING:
    from kimchictl.media.records import Image


def made(by: str, image: "Image | None" = None) -> dict[str, Any]:
    """`by` is create, scan, distro, clone or import; `image` what it was made from."""
    import time

    note: dict[str, Any] = {"by": by, "at": format_time(time.time())}
    if image is not None:
        note["image"] = {
            "size": image.size,
            "mtime": image.mtime,
            "volume_id": image.volume_id,
            "fingerprint": fingerprint(image),
        }
    return note


def fingerprint(image: "Image") -> str:
    """The same for copies with equal descriptors and size, wherever they lie."""
    import hashlib

    ids = (image.volume_id, image.system_id, image.publisher_id, image.application_id)
    text = "\0".join([str(image.size), ",".join(image.boot), *(part or "" for part in ids)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def image_of(note: Any) -> dict[str, Any]:
    """The `image` of a `made` that anybody may have written; empty where there is none."""
    image = note.get("image") if isinstance(note, dict) else None
    return image if isinstance(image, dict) else {}


def fingerprint_of(note: Any) -> str | None:
    """The fingerprint that `made` remembers, or None."""
    mark = image_of(note).get("fingerprint")
    return mark if isinstance(mark, str) else None
