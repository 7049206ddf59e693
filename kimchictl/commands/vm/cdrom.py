"""`kimchictl vm cdrom`"""

import click

from kimchictl.app import App
from kimchictl.commands.again import whole
from kimchictl.commands.base import Group, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.vm.disk import next_start_option
from kimchictl.commands.vm.media import bring_url, media_option
from kimchictl.errors import UsageError


@click.group(cls=Group)
def cdrom() -> None:
    """The media in the CD-ROM drives of a VM."""


_TARGET = click.option(
    "--target",
    metavar="DRIVE",
    shell_complete=complete("drive"),
    help="Which drive, like sda, where there are several.",
)
_FORCE = click.option("--force", is_flag=True, help="Take out what is in it though the guest has it in use.")


@cdrom.command()
@name_argument("vm")
@click.argument("source", shell_complete=complete("source"))
@_TARGET
@media_option
@click.option("--no-check", is_flag=True, help="Do not ask the server of a URL first.")
@_FORCE
@next_start_option
@pass_app
def insert(
    app: App,
    name: str,
    source: str,
    target: str | None,
    media: str | None,
    no_check: bool,
    force: bool,
    next_start: bool,
) -> None:
    """Insert an image: a path, pool:POOL/VOLUME or a URL. What was in the drive comes out.

    An image that is not there leaves the old one in; the disk of a VM is no medium. The image behind a URL is streamed
    or fetched into a pool, as vm create does it.

    \b
    Examples:
      kimchictl vm cdrom insert web /srv/iso/virtio-win.iso
      kimchictl vm cdrom insert web https://example.org/tools.iso --media fetch
      kimchictl vm cdrom insert web pool:default/tools.iso --target sdb
    """
    from kimchictl.actions.vms.devices import vm_media

    given, login = source, None
    if "://" in source:
        vm_media.require_drive(app.host, name, target, next_start)
        source, login = bring_url(app, source, media, not no_check)
    elif media is not None:
        raise UsageError("--media is for the image behind a URL", f"{source} is none")

    def said(done: tuple[str, str | None, tuple[str, ...]]) -> str:
        drive, before, notes = done
        for note in notes:
            app.note(note)
        return f"{given} inserted into drive {drive!r} of vm {name!r}" + (f"; {before} is out" if before else "")

    whole(app, name, lambda: vm_media.insert(app.host, name, source, target, next_start, login, force), said)


@cdrom.command()
@name_argument("vm")
@_TARGET
@_FORCE
@next_start_option
@pass_app
def eject(app: App, name: str, target: str | None, force: bool, next_start: bool) -> None:
    """Eject the medium of a drive.

    \b
    Examples:
      kimchictl vm cdrom eject web
      kimchictl vm cdrom eject web --target sdb --force
    """
    from kimchictl.actions.vms.devices import vm_media

    def said(done: tuple[str, str | None]) -> str:
        place = f"drive {done[0]!r} of vm {name!r}"
        return f"{done[1]} ejected from {place}" if done[1] else f"{place} is empty already"

    whole(app, name, lambda: vm_media.eject(app.host, name, target, next_start, force), said)
