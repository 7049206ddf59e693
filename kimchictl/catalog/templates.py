"""New templates: from an image, from a known distro, from another template. Pure: what they need is handed in."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kimchictl.catalog.fields import HIDDEN
from kimchictl.catalog.merge import merge
from kimchictl.catalog.naming import system_name
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import parse, to_document
from kimchictl.catalog.records import Disk, Template
from kimchictl.errors import Invalid
from kimchictl.media.records import Identity, Image

if TYPE_CHECKING:
    from kimchictl.media.naming.settings import Settings


def identity_of(image: Image) -> Identity:
    """The identity that a printed image carries."""
    return Identity(
        image.os_distro,
        image.os_version,
        image.os_arch,
        image.os_variant,
        image.os_name,
        image.edition,
        image.live,
        image.identified_by,
    )


def require_installable(image: Image) -> None:
    """Raises Invalid for an image no guest can boot from, Damaged or Failed reasons included in its words."""
    if image.error is not None:
        raise Invalid(
            f"image {image.location} cannot be used: {image.error}",
            "is it still being copied?" if image.error == "incomplete" else None,
        )
    if not image.bootable:
        raise Invalid(f"image {image.location} is not bootable", "a guest can have it as a further CD-ROM")


def suggested_name(image: Image) -> str:
    """What a template of `image` is called where nobody names it."""
    return system_name(identity_of(image), image.volume_id or "", image.location)


def from_image(
    image: Image, settings: "Settings", name: str, cdrom: str, changes: Changes, made: dict[str, Any]
) -> Template:
    """A template of `image` at `cdrom` with what its system recommends, and `changes` over it. Raises Invalid.

    Only the recommendations that nobody overrode, and that what was asked for leaves room for, are taken.
    """
    seen = identity_of(image)
    bare = Template(name=name, os_distro=seen.os_distro, os_version=seen.os_version, os_arch=seen.os_arch, cdrom=cdrom)
    return recommend(merge(bare, changes, f"template {name!r}"), settings, made)


def recommend(template: Template, settings: "Settings", made: dict[str, Any]) -> Template:
    """`template` with the recommendations of its system where it says nothing; `made.recommended` remembers which."""
    taken = _fitting(template, settings)
    disks = (Disk(),) if template.disks is None else template.disks
    unsized = [index for index, disk in enumerate(disks) if disk.size is None and disk.base is None]
    sizes = {f"disks[{index}].size": settings.disk for index in unsized}
    disks = tuple(replace(disk, size=settings.disk) if i in unsized else disk for i, disk in enumerate(disks))
    whole = replace(template, **taken, disks=disks, made={**made, "recommended": {**taken, **sizes}})
    return parse(to_document(whole), f"template {template.name!r}")


_PCS = frozenset({None, "x86_64", "amd64", "x64", "x86", "i686", "i386", "i486", "i586"})


def _fitting(template: Template, settings: "Settings") -> dict[str, Any]:
    """The recommended values for keys that are not given, as far as they agree with those that are."""
    firmware = template.firmware or ("uefi" if template.secure_boot else settings.firmware)
    machine, bus = template.machine or settings.machine, settings.disk_bus
    if firmware == "uefi" and template.machine is None and machine.startswith("pc"):
        machine = "q35"
    if bus == "ide" and "q35" in machine:
        bus = "sata"
    secure = settings.secure_boot and firmware == "uefi" and not machine.startswith("pc")
    wanted = {
        "memory": min(settings.memory, template.max_memory or settings.memory),
        "vcpus": None if template.topology else min(settings.vcpus, template.max_vcpus or settings.vcpus),
        "firmware": firmware,
        "machine": machine,
        "secure_boot": secure or None,
        "tpm": settings.tpm or None,
        "disk_bus": bus,
        "nic_model": settings.nic_model,
    }
    if template.os_arch not in _PCS:  # recommended is what a PC has; `resolve` knows what others have
        wanted |= dict.fromkeys(("firmware", "machine", "secure_boot"))
        if template.os_distro == "unknown" or bus == "ide":
            wanted |= dict.fromkeys(("disk_bus", "nic_model"))
    return {key: value for key, value in wanted.items() if value is not None and getattr(template, key) is None}


def clone(template: Template, name: str, made: dict[str, Any]) -> Template:
    """The same under another name; where it came from is kept, and that it was cloned is said."""
    return replace(template, name=name, made={**(template.made or {}), **made})


def from_distro(distro: Template, name: str, changes: Changes, made: dict[str, Any]) -> Template:
    """The template that a distro is under another name: link, mirrors and checksum kept. Raises Invalid."""
    plain = replace(distro, name=name, extra={key: value for key, value in distro.extra.items() if key != HIDDEN})
    return replace(merge(plain, changes, f"template {name!r}"), made=made)
