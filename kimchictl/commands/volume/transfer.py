"""`kimchictl volume upload` and `download`."""

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.commands.values import BYTES
from kimchictl.commands.volume.views import clean_up, emit_made, pool_argument, require_finished
from kimchictl.errors import Failed, UsageError
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.media.remote.checksums import Checksum

_checksum_option = click.option("--checksum", metavar="SUM", help="What it must be: sha256:HEX or sha512:HEX.")


@click.command(cls=Command)
@pool_argument
@click.argument("file", type=click.Path(), shell_complete=complete("file"))
@click.option("--name", metavar="NAME", help="What to call the volume; by default as the file is called.")
@click.option("--size", type=BYTES, metavar="SIZE", help="What a pipe gives, like 20G; a pool of devices needs it.")
@_checksum_option
@yes_option
@pass_app
def upload(
    app: App, pool_name: str, file: str, name: str | None, size: int | None, checksum: str | None, yes: bool
) -> None:
    """Make a volume of a file of this machine.

    The pool may be on another host. FILE may be a pipe; - is standard input, and needs a --name.

    Stretches of zeros are not sent. A failure leaves no volume. A volume of that name is replaced if you agree, when
    the new one is whole and not before; one that a running VM or another volume needs is not.

    \b
    Examples:
      kimchictl volume upload default debian-12.5.0-amd64-netinst.iso
      kimchictl -c qemu+ssh://far/system volume upload default disk.qcow2 --name web.qcow2
      xzcat disk.img.xz | kimchictl volume upload default - --name web.img
    """
    from kimchictl.actions.storage.volume_input import open_input
    from kimchictl.actions.storage.volume_upload import find_target, upload_file

    expected, stdin = _expected(checksum), _stdin() if file == "-" else None
    if file == "-" and not name:
        raise UsageError("standard input does not say what to call the volume", "give a --name")
    title = name or os.path.basename(file.rstrip("/"))
    clean_up(app, pool_name)
    there = find_target(app.host, pool_name, title)
    if there is not None:
        require_finished(app, there)
        users = f", which {', '.join(there.used_by)} uses," if there.used_by else ""
        app.confirm(f"replacing volume {title!r} of pool {pool_name!r}{users} and all that is in it", yes)
    with (
        app.task(f"upload of {title} to pool {pool_name}", app.remote_host) as progress,
        open_input(file, size, stdin) as given,
    ):
        made = upload_file(app.host, given, pool_name, title, there, expected, progress, app.places.own_state)
    app.note(f"volume {title!r} uploaded to pool {pool_name!r}")
    emit_made(app, made)


@click.command(cls=Command)
@pool_argument
@click.argument("name", shell_complete=complete("volume"))
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(), shell_complete=complete("file"))
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
    from kimchictl.actions.storage.volume_download import download_volume, write_volume
    from kimchictl.actions.storage.volume_use import writers_of
    from kimchictl.virt.storage.volumes import find_volume

    expected = _expected(checksum)
    output = _stdout(expected) if file == "-" else None
    if writers := writers_of(app.host, find_volume(app.host, pool_name, name)):
        app.note(f"vm {', '.join(writers)} writes to it meanwhile: the copy may not be consistent")
    if output is not None:
        with app.task(f"download of {name} from pool {pool_name}", app.remote_host) as progress:
            write_volume(app.host, pool_name, name, output, progress)
        return
    path = _path(file, name)
    with app.task(f"download of {name} from pool {pool_name}", app.remote_host) as progress:
        done = download_volume(app.host, pool_name, name, path, expected, progress)
    resumed = f", {format_size(done.resumed)} of it from an earlier attempt" if done.resumed else ""
    verified = ", verified" if done.checksum else ""
    app.note(f"volume {name!r} downloaded to {path}: {format_size(done.size)}{resumed}{verified}")


def _stdin() -> BinaryIO:
    """Standard input as bytes; whoever calls `cli.main` may have put something else there."""
    stream: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise Failed("standard input is closed, or gives no bytes")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal", "give a FILE, or pipe something into it")
    return stream


def _stdout(expected: "Checksum | None") -> BinaryIO:
    """The same of standard output."""
    if expected is not None:
        raise UsageError("--checksum needs a FILE", "what went to standard output cannot be taken back")
    stream: BinaryIO | None = getattr(sys.stdout, "buffer", None)
    if stream is None:
        raise Failed("standard output is closed, or takes no bytes")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal", "give a FILE, or pipe it into something")
    return stream


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
