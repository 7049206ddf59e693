"""What the verbs of `kimchictl volume` share."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.commands.completing import complete
from kimchictl.commands.values import Parsed
from kimchictl.render import View
from kimchictl.units import GIB, parse_size

if TYPE_CHECKING:
    from kimchictl.actions.storage.listing import Look
    from kimchictl.virt.storage.volumes import Volume

VOLUMES = View(
    columns=("name", "pool", "format", "capacity", "allocation", "used_by", "os_distro", "os_version"),
    keys=(
        "name", "pool", "type", "format", "path", "capacity", "allocation", "backing", "used_by", "os_distro",
        "os_version", "bootable", "backing_format", "physical", "templates", "unfinished", "shared",
    ),
    wide=("type", "path", "backing", "physical", "bootable", "unfinished", "shared"),
)  # fmt: skip
ORPHANS = View(
    columns=("name", "pool", "format", "capacity", "allocation", "shared"),
    keys=VOLUMES.keys,
    wide=VOLUMES.wide,
    formats={"shared": lambda shared: "another host may use this" if shared else "-" if shared is None else "no"},
)


def parse_new_size(text: str) -> Callable[[int], int]:
    """ "30G" or "+10G" -> the new size from the present one, in bytes; a bare number is GiB. Raises Invalid."""
    size = parse_size(text.removeprefix("+"), bare=GIB)
    return (lambda now: now + size) if text.startswith("+") else (lambda _now: size)


DISK_SIZE = Parsed("size", lambda text: parse_size(text, bare=GIB))
NEW_SIZE = Parsed("size", parse_new_size)

pool_argument = click.argument("pool_name", metavar="POOL", shell_complete=complete("pool"))


def look_at(app: App) -> "Look":
    """What shows single volumes, with all that uses them."""
    from kimchictl.actions.documents.usage import template_users
    from kimchictl.actions.storage.listing import Look

    return Look(app.host, template_users(app.templates))


def clean_up(app: App, pool: str, but: str | None = None) -> None:
    """Before something is made or changed in `pool`: what killed processes left there goes, and that is said."""
    from kimchictl.actions.storage.unfinished import take_back

    for sentence in take_back(app.host, app.places.own_state, pool, but):
        app.note(sentence)


def require_finished(app: App, volume: "Volume") -> None:
    """Raises InUse while a process of one's own is at making `volume`."""
    from kimchictl.actions.storage import unfinished

    unfinished.require_finished(app.host, app.places.own_state, volume)


def emit_made(app: App, made: "Volume") -> None:
    """What a verb made, for who asked for data; a table would only repeat the note."""
    if app.format not in ("table", "wide"):
        app.emit(made, VOLUMES)
