"""What a shell offers: names of templates, distros, rules, images, tasks, VMs with their snapshots, disks, drives and
interfaces, pools, volumes, networks.

Asked for at every press of a key: silent on failure, no password is asked for, neither rich nor pycdlib is loaded,
and a host that does not answer at once is given up. Names of files are the shell's own business.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, shell_complete

from kimchictl.app import App
from kimchictl.errors import KimchiError

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host
    from kimchictl.virt.domain.domainread import Description

VARIABLE = "_KIMCHICTL_COMPLETE"  # the environment variable by which a shell's script asks
PATIENCE = 0.25  # seconds that a host may take
POOL = "pool:"  # what a source in a storage pool begins with

Line = Mapping[str, Any]  # the values that are on the line already, by parameter


def answer(root: click.Command, app: App, instruction: str) -> int:
    """What a shell asked for through VARIABLE."""
    return shell_complete(root, {"obj": app}, "kimchictl", VARIABLE, instruction)


def offers(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """What can stand for `incomplete`: a file or directory, for the shell to find, or names of `kind`."""
    if kind == "source" and not incomplete.startswith(POOL):
        kind = "file"
    if kind in _PLACES:
        return [CompletionItem(incomplete, type=_PLACES[kind])]
    return names_of(kind, ctx, incomplete)


def names_of(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """The names of `kind` (a key of _NAMES) that begin with `incomplete` and are not on the line yet; [] on failure."""
    app: App = ctx.find_root().obj
    try:
        names = sorted(_NAMES[kind](app, ctx.params))
    except (KimchiError, OSError, ValueError):
        return []
    given = {name for value in ctx.params.values() if isinstance(value, tuple) for name in value}
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name not in given]


def _documents(kind: str) -> Callable[[App, Line], Iterable[str]]:
    return lambda app, _: app.store(kind).read().documents


def _on_host(names: Callable[["Host", Line], list[str]]) -> Callable[[App, Line], Iterable[str]]:
    """`names` of a host, over a connection that only reads and never asks."""

    def ask(app: App, line: Line) -> Iterable[str]:
        from kimchictl.virt.connection import asking, open_host
        from kimchictl.virt.deadlines import within

        def work() -> list[str]:
            with open_host(uri, readonly=True, timeout=PATIENCE, prompt=False) as host, asking("completion"):
                return names(host, line)

        uri = app.host_uri
        return within(PATIENCE, "the host", work)

    return ask


def _listed(method: str) -> Callable[[App, Line], Iterable[str]]:
    return _on_host(lambda host, _: _called(getattr(host.conn, method)(0)))


def _volumes(host: "Host", line: Line) -> list[str]:
    return _called(host.conn.storagePoolLookupByName(line.get("pool_name") or "").listAllVolumes(0))


def _sources(host: "Host", line: Line) -> list[str]:
    pools = host.conn.listAllStoragePools(host.lib.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    return [f"{POOL}{pool.name()}/{name}" for pool in pools for name in _called(pool.listAllVolumes(0))]


def _snapshots(host: "Host", line: Line) -> list[str]:
    return list(host.conn.lookupByName(line.get("name") or "").snapshotListNames(0))


def _targets(device: str) -> Callable[[App, Line], Iterable[str]]:
    """What the guest calls the disks of a VM that are a `device`: vda of "disk", sda of "cdrom"."""
    return _on_host(lambda host, line: [disk.target for disk in _vm(host, line).disks if disk.device == device])


def _nics(host: "Host", line: Line) -> list[str]:
    return [nic.mac for nic in _vm(host, line).nics if nic.mac]


def _vm(host: "Host", line: Line) -> "Description":
    from kimchictl.virt.domain.domains import describe

    return describe(host, line.get("name") or "")


def _called(things: Iterable[Any]) -> list[str]:
    """Their names; one that is not UTF-8 is left out: libvirt-python cannot read it."""
    names = []
    for thing in things:
        try:
            names.append(thing.name())
        except UnicodeDecodeError:
            continue
    return names


_PLACES = {"file": "file", "directory": "dir"}  # what click's scripts call them

_NAMES: dict[str, Callable[[App, Line], Iterable[str]]] = {
    "template": _documents("templates"),
    "distro": _documents("distros"),
    "rule": _documents("rules"),
    "image": lambda app, _: list(app.index.images().rows),
    "task": lambda app, _: app.tasks.read().documents,
    "host": lambda app, _: app.config.hosts,
    "vm": _listed("listAllDomains"),
    "snapshot": _on_host(_snapshots),
    "disk": _targets("disk"),
    "drive": _targets("cdrom"),
    "nic": _on_host(_nics),
    "pool": _listed("listAllStoragePools"),
    "volume": _on_host(_volumes),
    "network": _listed("listAllNetworks"),
    "source": _on_host(_sources),
}
