"""`kimchictl completion`: the script for a shell, and the live names that it offers.

The scripts are click's own. A completion is asked for at every press of a key: it is silent on failure, asks for no
password, loads neither rich nor pycdlib, and gives up on a host that does not answer at once.
"""

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from kimchictl.app import App
from kimchictl.commands.base import pass_app
from kimchictl.errors import KimchiError, UsageError
from kimchictl.render import write_out

VARIABLE = "_KIMCHICTL_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
PATIENCE = 0.25  # seconds that a host may take


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(kimchictl completion bash)
      kimchictl completion fish > ~/.config/fish/completions/kimchictl.fish
    """
    write_out(script(shell))


def script(shell: str) -> str:
    """The script for `shell`, one of SHELLS. click's own method would look at this machine's bash first."""
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell!r}", "there is one for " + ", ".join(SHELLS))
    writer = found(click.Group("kimchictl"), {}, "kimchictl", VARIABLE)
    return str(writer.source_template % writer.source_vars()).lstrip("\n")


def answer(root: click.Command, app: App, instruction: str) -> int:
    """What a shell asked for through VARIABLE."""
    return shell_complete(root, {"obj": app}, "kimchictl", VARIABLE, instruction)


def names_of(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """The names of `kind` (a key of _NAMES) that begin with `incomplete` and are not on the line yet; [] on failure."""
    app: App = ctx.find_root().obj
    try:
        names = sorted(_NAMES[kind](app))
    except (KimchiError, OSError, ValueError):
        return []
    given = {name for value in ctx.params.values() if isinstance(value, tuple) for name in value}
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name not in given]


def _documents(kind: str) -> Callable[[App], Iterable[str]]:
    return lambda app: app.store(kind).read().documents


def _images(app: App) -> Iterable[str]:
    return [image.location for image in app.index.images()]


def _listed(method: str) -> Callable[[App], Iterable[str]]:
    """Names from one call to libvirt, over a connection that only reads and never asks."""

    def names(app: App) -> Iterable[str]:
        from kimchictl.virt.connection import open_host

        with open_host(app.host_uri, readonly=True, timeout=PATIENCE, prompt=False) as host:
            return [thing.name() for thing in getattr(host.conn, method)(0)]

    return names


_NAMES: dict[str, Callable[[App], Iterable[str]]] = {
    "template": _documents("templates"),
    "distro": _documents("distros"),
    "rule": _documents("rules"),
    "image": _images,
    "vm": _listed("listAllDomains"),
    "pool": _listed("listAllStoragePools"),
    "network": _listed("listAllNetworks"),
}
