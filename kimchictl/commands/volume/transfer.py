"""`kimchictl volume upload` and `download`."""

import os
import sys
from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app, yes_option
from kimchictl.commands.volume.views import emit_made, pool_argument
from kimchictl.errors import UsageError
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.media.remote.checksums import Checksum

_checksum_option = click.option("--checksum", metavar="SUM", help="What it must be: sha256:HEX or sha512:HEX.")


@click.command(cls=Command)
@pool_argument
@click.argument("file", type=click.Path())
@click.option("--name", metavar="NAME", help="What to call the volume; by default as the file is called.")
@_checksum_option
@yes_option
@pass_app
def upload(app: App, pool_name: str, file: str, name: str | None, checksum: str | None, yes: bool) -> None:
    """Make a volume of a file of this machine.

    The pool may be on another host.

    Stretches of zeros are not sent. A failure leaves no volume. A volume of that name is replaced if you agree; one
    that a running VM or another volume needs is not.

    \b
    Examples:
      kimchictl volume upload default debian-12.5.0-amd64-netinst.iso
      kimchictl -c qemu+ssh://far/system volume upload default disk.qcow2 --name web.qcow2
    """
    from kimchictl.actions.storage.volume_transfer import find_target, upload_file

    expected, title = _expected(checksum), name or os.path.basename(file.rstrip("/"))
    there = find_target(app.host, pool_name, title)
    if there is not None:
        app.confirm(f"replacing volume {title!r} of pool {pool_name!r} and all that is in it", yes)
    with app.task(f"upload of {title} to pool {pool_name}", app.remote_host) as progress:
        made = upload_file(app.host, file, pool_name, title, there, expected, progress)
    app.note(f"volume {title!r} uploaded to pool {pool_name!r}")
    emit_made(app, made)


@click.command(cls=Command)
@pool_argument
@click.argument("name")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@_checksum_option
@pass_app
def download(app: App, pool_name: str, name: str, file: str | None, checksum: str | None) -> None:
    """Make a file of a volume.

    By default one of the same name in the current directory; - is standard output.

    Holes stay holes. What came before a broken connection is kept beside it as a .part file, and the next attempt goes
    on from there unless the volume changed.

    \b
    Examples:
      kimchictl volume download default web.qcow2 /backup/web.qcow2
      kimchictl -c qemu+ssh://far/system volume download default web.img - | zstd > web.img.zst
    """
    from kimchictl.actions.storage.volume_transfer import download_volume, write_volume
    from kimchictl.actions.storage.volume_use import writers_of
    from kimchictl.virt.storage.volumes import find_volume

    expected = _expected(checksum)
    if writers := writers_of(app.host, find_volume(app.host, pool_name, name)):
        app.note(f"vm {', '.join(writers)} writes to it meanwhile: the copy may not be consistent")
    if file == "-":
        if expected is not None:
            raise UsageError("--checksum needs a FILE", "what went to standard output cannot be taken back")
        write_volume(app.host, pool_name, name, sys.stdout.buffer)
        return
    path = _path(file, name)
    with app.task(f"download of {name} from pool {pool_name}", app.remote_host) as progress:
        done = download_volume(app.host, pool_name, name, path, expected, progress)
    resumed = f", {format_size(done.resumed)} of it from an earlier attempt" if done.resumed else ""
    verified = ", verified" if done.checksum else ""
    app.note(f"volume {name!r} downloaded to {path}: {format_size(done.size)}{resumed}{verified}")


def _path(file: str | None, name: str) -> str:
    """The file to write; a volume's name is a stranger's and is not to lead elsewhere."""
    base = os.path.basename(name)
    if file is not None and not os.path.isdir(file):
        return os.path.abspath(file)
    if base in ("", ".", ".."):
        raise UsageError(f"volume {name!r} does not name a file", "give a FILE")
    return os.path.abspath(os.path.join(file or ".", base))


def _expected(checksum: str | None) -> "Checksum | None":
    """The checksum that was given; it names no file here that a list of sums could be asked for."""
    from kimchictl.media.remote.checksums import parse_checksum

    if checksum is None:
        return None
    found = parse_checksum(checksum)
    if found is None:
        raise UsageError(f"--checksum: {checksum!r} is not sha256:HEX")
    return found
