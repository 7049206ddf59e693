"""`kimchictl volume`: storage volumes."""

import click

from kimchictl.commands.base import Group

_HERE = "kimchictl.commands.volume"


@click.group(
    cls=Group,
    members={
        "list": (f"{_HERE}.list:list_", "List the volumes of storage pools."),
        "show": (f"{_HERE}.list:show", "Show a volume."),
        "create": (f"{_HERE}.create:create", "Make an empty volume, or one upon another."),
        "upload": (f"{_HERE}.transfer:upload", "Make a volume of a file of this machine."),
        "download": (f"{_HERE}.transfer:download", "Make a file of a volume."),
        "fetch": (f"{_HERE}.fetch:fetch", "Fetch an image from the network into a pool."),
        "resize": (f"{_HERE}.change:resize", "Change the size of a volume."),
        "clone": (f"{_HERE}.change:clone", "Copy a volume, into another pool, too."),
        "wipe": (f"{_HERE}.change:wipe", "Overwrite what is in volumes."),
        "delete": (f"{_HERE}.change:delete", "Delete volumes with what is in them."),
        "orphans": (f"{_HERE}.list:orphans", "List disks that nothing uses."),
    },
)
def volume() -> None:
    """Storage volumes: disks and images in storage pools."""
