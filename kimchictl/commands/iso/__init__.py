"""`kimchictl iso`: a file a verb."""

import click

from kimchictl.commands.base import Group

_HERE = "kimchictl.commands.iso"


@click.group(
    cls=Group,
    members={
        "scan": (f"{_HERE}.scan:scan", "Find images in storage pools, or in directory trees."),
        "probe": (f"{_HERE}.probe:probe", "Read the first sectors of images and name the system on each."),
        "list": (f"{_HERE}.list:list_", "List what the last scans found; no image is opened."),
        "teach": (
            f"{_HERE}.teach:teach",
            "Make a rule of this site from an image, so that the next scan knows its label.",
        ),
        "rule": (f"{_HERE}.rule:rule", "Rules of this site: what was taught about labels."),
        "forget": (f"{_HERE}.forget:forget", "Drop entries of images that are gone from what is listed."),
    },
)
def iso() -> None:
    """Find images and name the system on each."""
