"""The options that say what a template is like: the same for create and edit."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from kimchictl.catalog.options import changes_from

_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--os-distro", "D", {"help": "The system's distribution, if you know it better."}),
    ("--os-version", "V", {"help": "The system's version, likewise."}),
    ("--os-arch", "A", {"help": "The system's architecture, likewise."}),
    ("--memory", "SIZE", {"help": "Memory at start, like 2G; a bare number is MiB."}),
    ("--max-memory", "SIZE", {"help": "Memory that it can grow to."}),
    ("--vcpus", "N", {"help": "Virtual CPUs at start."}),
    ("--max-vcpus", "N", {"help": "Virtual CPUs that it can grow to."}),
    ("--topology", "S,C,T", {"help": "Sockets, cores and threads."}),
    (
        "--disk",
        "[INDEX,]size=20G,format=qcow2,pool=default,bus=virtio",
        {
            "multiple": True,
            "help": "All disks anew, or with an INDEX a change of one; none: no disks. May be repeated.",
        },
    ),
    (
        "--network",
        "NAME|bridge=BR|user",
        {"multiple": True, "help": "All interfaces anew, in order; none: no interfaces. May be repeated."},
    ),
    ("--graphics", "vnc|spice|none[,ADDRESS]", {"help": "The display, and the address it listens on."}),
    ("--firmware", "bios|uefi", {"help": "The firmware."}),
    ("--secure-boot/--no-secure-boot", "", {"default": None, "help": "UEFI secure boot."}),
    ("--tpm/--no-tpm", "", {"default": None, "help": "An emulated TPM 2.0."}),
    ("--virt-type", "auto|kvm|qemu", {"help": "Hardware virtualization or emulation."}),
    ("--machine", "TYPE", {"help": "Machine type, like q35."}),
    ("--cpu", "MODEL", {"help": "CPU model, like host-model or maximum."}),
    ("--disk-bus", "BUS", {"help": "Bus of disks that name none."}),
    ("--nic-model", "MODEL", {"help": "Model of interfaces that name none."}),
    ("--icon", "I", {"help": "Name or path of an icon."}),
    ("--folder", "A/B", {"help": "Folder it is shown in."}),
    ("--description", "TEXT", {"help": "What it is for."}),
)


def template_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them; the callback gets `changes`, a catalog.options.Changes. An empty text takes a key away."""
    return options_like(*(names.partition("/")[0] for names, _, _ in _OPTIONS))(function)


def options_like(*wanted: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Those called `wanted` ("--memory"...), for a command that changes only these; see template_options."""
    options = [option for option in _OPTIONS if option[0].partition("/")[0] in wanted]
    keys = [names.partition("/")[0].removeprefix("--").replace("-", "_") for names, _, _ in options]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def collected(*args: Any, **values: Any) -> Any:
            given = {key: values.pop(key) for key in keys}
            return function(*args, changes=changes_from(given), **values)

        for names, metavar, settings in reversed(options):
            click.option(names, metavar=metavar or None, **settings)(collected)
        return collected

    return decorate
