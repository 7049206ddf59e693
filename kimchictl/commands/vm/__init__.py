"""`kimchictl vm`: a file a verb."""

import click

from kimchictl.commands.base import Group

_HERE = "kimchictl.commands.vm"


@click.group(
    cls=Group,
    members={
        "list": (f"{_HERE}.list:list_", "List VMs, those that are off too."),
        "show": (
            f"{_HERE}.show:show",
            "Show a VM: devices, snapshots, addresses, and what differs from its template.",
        ),
        "create": (f"{_HERE}.create:create", "Make VMs from a template."),
        "start": (f"{_HERE}.state:start", "Start VMs."),
        "stop": (f"{_HERE}.state:stop", "Ask VMs to shut down, and wait until they are off; or cut their power."),
        "reboot": (f"{_HERE}.state:reboot", "Ask VMs to reboot."),
        "reset": (f"{_HERE}.state:reset", "Press the reset button of VMs: they start anew without shutting down."),
        "suspend": (f"{_HERE}.state:suspend", "Pause VMs; they keep their memory."),
        "resume": (f"{_HERE}.state:resume", "Let paused VMs run on."),
        "autostart": (f"{_HERE}.state:autostart", "Start VMs with the host, or not."),
        "edit": (f"{_HERE}.edit:edit", "Change a VM, one that kimchictl did not make too."),
        "disk": (f"{_HERE}.disk:disk", "The disks of a VM: attached, detached and resized, while it runs too."),
        "cdrom": (f"{_HERE}.cdrom:cdrom", "The media in the CD-ROM drives of a VM."),
        "nic": (f"{_HERE}.nic:nic", "The network interfaces of a VM, while it runs too."),
        "snapshot": (
            f"{_HERE}.snapshot:snapshot",
            "Snapshots of a VM: its disks, and its memory where it runs, as they are at a time.",
        ),
        "clone": (f"{_HERE}.clone:clone", "Copy a VM that is off; without NEW it is called NAME-clone1."),
        "diff": (
            f"{_HERE}.diff:diff",
            "Show what a VM differs in from the template that it was made of, as that is now.",
        ),
        "delete": (f"{_HERE}.delete:delete", "Delete VMs with the disks that are theirs alone."),
        "wait": (f"{_HERE}.wait:wait", "Wait until a VM runs, is off, has an address, or its agent or ssh answers."),
        "console": (f"{_HERE}.console:console", "Attach to a VM's serial console; Ctrl-] ends it."),
        "display": (f"{_HERE}.display:display", "Show where a viewer finds a VM's display."),
        "screenshot": (f"{_HERE}.screenshot:screenshot", "Save a picture of a VM's screen."),
    },
)
def vm() -> None:
    """Virtual machines, those that kimchictl did not make too."""
