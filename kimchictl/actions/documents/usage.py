"""Which templates name an image."""

from collections.abc import Iterable, Mapping

from kimchictl.media.records import Image
from kimchictl.store import FileStore


def used_by_templates(images: Iterable[Image], templates: FileStore) -> list[Image]:
    """`images` with `used_by` filled in: by location, by pool and volume, or as a disk's base."""
    users = template_users(templates)
    if not users:
        return list(images)
    return [_with_users(image, users) for image in images]


def template_users(templates: FileStore) -> dict[str, list[str]]:
    """The names of the templates that name each image, by what they name it with, sorted; a pool is "pool:NAME/"."""
    users: dict[str, list[str]] = {}
    for name, document in sorted(templates.read().documents.items()):
        disks = document.data.get("disks")
        listed = [disk for disk in disks if isinstance(disk, dict)] if isinstance(disks, list) else []
        bases = [disk.get("base") for disk in listed]
        pools = [f"pool:{disk['pool']}/" for disk in listed if isinstance(disk.get("pool"), str)]
        for named in {document.data.get("cdrom", document.data.get("path")), *bases, *pools}:
            if isinstance(named, str):
                users.setdefault(named, []).append(name)
    return users


def _with_users(image: Image, users: dict[str, list[str]]) -> Image:
    names = users_of(image.location, image.pool, image.volume, users)
    return image._replace(used_by=tuple(names)) if names else image


def users_of(location: str, pool: str | None, volume: str | None, users: Mapping[str, list[str]]) -> list[str]:
    """The names of the templates that name the image at `location`, which may be a `volume`."""
    names = users.get(location, [])
    return names if pool is None else sorted({*names, *users.get(f"pool:{pool}/{volume}", [])})
