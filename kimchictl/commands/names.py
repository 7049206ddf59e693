"""Live names for a shell that completes: of templates, distros, rules, images, VMs, pools and networks.

Asked for at every press of a key: silent on failure, no password is asked for, neither rich nor pycdlib is loaded,
and a host that does not answer at once is given up.
"""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem, shell_complete

from kimchictl.app import App
from kimchictl.errors import KimchiError

VARIABLE = "_KIMCHICTL_COMPLETE"  # the environment variable by which a shell's script asks
PATIENCE = 0.25  # seconds that a host may take


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
    return list(app.index.images().rows)


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
    "task": lambda app: app.tasks.read().documents,
    "vm": _listed("listAllDomains"),
    "pool": _listed("listAllStoragePools"),
    "network": _listed("listAllNetworks"),
}
