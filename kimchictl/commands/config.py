"""`kimchictl config`: what is configured, and which value came from where."""

from dataclasses import dataclass
from typing import Any

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, pass_app
from kimchictl.config import KEYS
from kimchictl.render import View


@dataclass(frozen=True, slots=True)
class Setting:
    """One key as it counts now; `origin` is a file, a variable, "option" or "default"."""

    key: str
    value: Any
    origin: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Place:
    """One directory; of several of one purpose the later override the earlier."""

    purpose: str
    path: str
    written: bool


SETTINGS = View(
    ("key", "value", "origin"),
    ("key", "value", "origin", "meaning"),
    name="key",
    wide=("meaning",),
    sort="key",
    keyed=True,
)
PLACES = View(("purpose", "path", "written"), ("purpose", "path", "written"), name="path", sort=None)


@click.group(cls=Group)
def config() -> None:
    """The configuration and where it comes from."""


@config.command()
@list_options
@pass_app
def show(app: App) -> None:
    """Show every key, its value and where the value came from.

    \b
    Examples:
      kimchictl config show
      kimchictl config show --filter origin!=default
      KIMCHICTL_VM_VIRT_TYPE=qemu kimchictl config show --filter key~^vm
    """
    values = app.config
    rows = [Setting(name, values[name], values.origins[name], key.meaning) for name, key in KEYS.items()]
    rows += [Setting(f"hosts.{name}", dict(host), "file", "a named host") for name, host in values.hosts.items()]
    rows += [Setting(f"mirrors.{name}", new, "file", "a mirror preferred") for name, new in values.mirrors.items()]
    app.emit_list(rows, SETTINGS)


@config.command()
@list_options
@pass_app
def path(app: App) -> None:
    """Show the directories that are read, and which of them is written.

    \b
    Examples:
      kimchictl config path
      kimchictl config path --filter written=true -o name
    """
    places = app.places
    rows = [Place("data", directory, False) for directory in places.data_dirs]
    for purpose, layers in (("configuration", places.config_dirs), ("state", places.state_dirs)):
        rows += [Place(purpose, directory, directory == layers[-1]) for directory in layers]
    app.emit_list([*rows, Place("cache", places.cache_dir, True)], PLACES)
