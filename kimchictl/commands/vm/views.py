"""How VMs are shown."""

from collections.abc import Sequence
from typing import Any

from kimchictl.app import App
from kimchictl.render import View
from kimchictl.units import format_size
from kimchictl.virt.domain.listing import BASE_KEYS, DESCRIBED_KEYS, DETAIL_KEYS


def _graphics(graphics: dict[str, Any] | None) -> str:
    if graphics is None:
        return "-"
    where = f" {graphics['listen'] or ''}{':' + str(graphics['port']) if graphics['port'] else ''}"
    return f"{graphics['type']}{where}".rstrip()


def _hostdevs(devices: Any) -> str:
    listed = devices if isinstance(devices, list) else [devices]
    return ", ".join(f"{each['type']} {each['name'] or ''}".rstrip() for each in listed) or "-"


def _displays(displays: Any) -> str:
    return _graphics(displays) if isinstance(displays, dict) else ", ".join(map(_graphics, displays)) or "-"


def _disks(disks: Any) -> str:
    """One disk as `show` has it, or all of them as a cell of a table."""
    if not isinstance(disks, dict):
        return ", ".join(disk["target"] for disk in disks) or "-"
    sizes = [format_size(disks["capacity"])] if disks["capacity"] is not None else []
    sizes += [f"{format_size(disks['allocation'])} allocated"] if disks["allocation"] is not None else []
    return f"{disks['target']} {disks['device']} {disks['source'] or 'empty'} {', '.join(sizes)}".rstrip()


def _nics(nics: Any) -> str:
    if not isinstance(nics, dict):
        return ", ".join(nic["mac"] or "-" for nic in nics) or "-"
    return " ".join(str(nics[key]) for key in ("mac", "type", "name", "model") if nics[key])


VMS = View(
    columns=("name", "state", "vcpus", "memory", "autostart"),
    keys=BASE_KEYS + DESCRIBED_KEYS,
    wide=("template", "os_distro", "os_version", "graphics", "title"),
    formats={"graphics": _graphics, "displays": _displays, "disks": _disks, "nics": _nics, "hostdevs": _hostdevs},
    first="kimchictl vm create --template NAME",
)
DETAILS = View(VMS.columns, VMS.keys + DETAIL_KEYS, wide=VMS.wide, formats=VMS.formats)


def wants_description(app: App) -> bool:
    """Whether a list is to show, sort by or filter on what costs a call for each VM."""
    options = app.options
    asked = [*options.columns, (options.sort or "").removeprefix("-"), *options.filters]
    return app.format == "wide" or any(text.startswith(DESCRIBED_KEYS) for text in asked)


def emit_vms(app: App, names: Sequence[str], several: bool) -> None:
    """The VMs called `names` for a program: an array where there can be `several`, else an object."""
    if app.format in ("table", "wide"):
        return
    from kimchictl.virt.domain.domains import show_vm

    vms = [show_vm(app.host, name) for name in names]
    if several:
        app.emit_list(vms, DETAILS)
    elif vms:
        app.emit(vms[0], DETAILS)
