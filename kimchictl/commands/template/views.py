"""How templates are shown, and what every command about them says of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kimchictl.app import App
from kimchictl.catalog.keys import TEMPLATE_KEYS
from kimchictl.errors import Failed
from kimchictl.render import View, visible, write_out
from kimchictl.units import GIB, MIB, format_size

if TYPE_CHECKING:  # a list needs none of it
    from kimchictl.actions.documents.create_template import Prober
    from kimchictl.actions.documents.edit_documents import Difference
    from kimchictl.catalog.records import Template
    from kimchictl.media.records import Image


def _disk(disk: dict[str, Any]) -> str:
    size = "-" if disk.get("size") is None else format_size(disk["size"] * GIB)
    base = f" on {disk['base']}" if disk.get("base") else ""
    place = "".join(f" {disk[key]}" for key in ("format", "pool", "bus") if disk.get(key))
    return f"{size}{place}{base}"


def _disks(disks: Any) -> str:
    """One disk as `show` has it, or all of them as a cell of a table."""
    if isinstance(disks, dict):
        return f"{disks['index']}: {_disk(disks)}"
    return (
        ", ".join("-" if disk.get("size") is None else format_size(disk["size"] * GIB) for disk in disks or ()) or "-"
    )


def _network(network: dict[str, Any]) -> str:
    name = network.get("name") or network["type"]
    return f"bridge={name}" if network["type"] == "bridge" else str(name)


def _networks(networks: Any) -> str:
    if isinstance(networks, dict):
        return f"{_network(networks)} {networks.get('model') or ''}".rstrip()
    return ", ".join(map(_network, networks or ())) or "-"


def _memory(mebibytes: int | None) -> str:
    return "-" if mebibytes is None else format_size(mebibytes * MIB)


def _topology(topology: dict[str, int] | None) -> str:
    return "-" if topology is None else " x ".join(f"{count} {name}" for name, count in topology.items())


def _graphics(graphics: dict[str, Any] | None) -> str:
    return " ".join(part for part in (graphics or {}).values() if part) or "-"


def _made(made: dict[str, Any] | None) -> str:
    return "-" if not made else " ".join(str(made[key]) for key in ("by", "at") if made.get(key))


_FORMATS: dict[str, Callable[[Any], str]] = {
    "memory": _memory,
    "max_memory": _memory,
    "disks": _disks,
    "disks.size": lambda sizes: ", ".join(format_size(size * GIB) for size in sizes or ()) or "-",
    "networks": _networks,
    "topology": _topology,
    "graphics": _graphics,
    "made": _made,
}

TEMPLATES = View(
    columns=("name", "os_distro", "os_version", "memory", "vcpus", "disks", "origin", "problems"),
    keys=(*TEMPLATE_KEYS, "origin", "problems"),
    wide=("os_arch", "cdrom", "networks", "graphics", "firmware", "folder"),
    formats=_FORMATS,
    units={"memory": MIB, "max_memory": MIB, "disks.size": GIB},
    ready=True,
    first="kimchictl template create --from-scan, or --distro NAME of kimchictl distro list",
)


def say_kept(app: App, templates: Sequence["Template"], done: str, several: bool) -> None:
    """Tell a person what was done to which template; print them where a format was asked for."""
    for template in templates:
        app.note(f"template {template.name!r} {done}")
    emit_kept(app, templates, several)


def emit_kept(app: App, templates: Sequence["Template"], several: bool) -> None:
    """The templates for a program: an array where there can be `several`, else an object; nothing as a table."""
    if app.format in ("table", "wide") or (not templates and not several):
        return
    from kimchictl.actions.documents.show_templates import whole_row
    from kimchictl.catalog.resolve import defaults_of

    rows = [whole_row(template, defaults_of(app.config), app.templates.own.origin) for template in templates]
    if several:
        app.emit_list(rows, TEMPLATES)
    else:
        app.emit(rows[0], TEMPLATES)


def say_differences(app: App, what: str, differences: Sequence["Difference"], dry_run: bool) -> None:
    """What changed, a line a key; a dry run says it on stdout, as it is what was asked for."""
    lines = [f"{key}: {_value(key, old)} -> {_value(key, new)}" for key, old, new in differences]
    if not dry_run:
        app.note(f"{what} changed: {', '.join(lines)}")
    elif app.format in ("table", "wide"):
        for line in lines:
            write_out(visible(line) + "\n")


def _value(key: str, value: Any) -> str:
    import json

    unit = " MiB" if key in ("memory", "max_memory") else ""
    return "-" if value is None else json.dumps(value, ensure_ascii=False) + unit


def images_of_host(app: App) -> list["Image"]:
    """What scans found on the host that this command line is about."""
    found = app.index.images(app.remote_host)
    for note in found.notes:
        app.note(note)
    return list(found.images)


def prober(app: App) -> "Prober":
    """What reads the image that a SOURCE names; the host is asked only for a volume of a pool."""
    from kimchictl.actions.images.sources import probe_source

    return lambda source: probe_source(source, lambda: app.host, app.config, app.remote_host is not None)


def asker(app: App) -> Callable[["Template"], "Image"]:
    """What finds the image of a known distro: the first of its addresses that answers."""

    def ask(distro: "Template") -> "Image":
        if "://" not in (distro.cdrom or ""):
            return prober(app)(distro.cdrom or "")
        from kimchictl.actions.documents.known_distros import ask_servers
        from kimchictl.media.remote import net_settings

        try:
            return ask_servers(distro, app.config.mirrors, net_settings(app.config), app.progress)
        except Failed as error:
            error.hint = error.hint or "--no-check makes the template all the same: the image may come later"
            raise

    return ask
