"""`kimchictl iso`: find images, and name the system on each."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, expand_names, list_options, pass_app
from kimchictl.media.records import Image
from kimchictl.render import View

IMAGES = View(
    columns=("location", "os_distro", "os_version", "os_arch", "bootable", "size"),
    keys=tuple(Image.__dataclass_fields__),
    name="location",
    wide=("os_variant", "volume_id", "boot", "pool", "used_by", "identified_by", "error"),
    sort="location",
)


@click.group(cls=Group)
def iso() -> None:
    """Find images and name the system on each."""


@iso.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, callback=expand_names)
@list_options
@pass_app
def probe(app: App, sources: tuple[str, ...]) -> int:
    """Read the first sectors of images and name the system on each.

    SOURCE is a file, a block device, pool:POOL/VOLUME or a URL; - reads names from standard input.

    \b
    Examples:
      kimchictl iso probe debian-12.5.0-amd64-netinst.iso
      kimchictl iso probe -o json *.iso
    """
    from kimchictl.actions.sources import probe_source

    images, status = app.each(sources, lambda source: probe_source(source, lambda: app.host))
    if images or not status:
        app.emit_list(images, IMAGES)
    return status
