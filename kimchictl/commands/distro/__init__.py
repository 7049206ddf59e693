"""`kimchictl distro`: a file a verb."""

import click

from kimchictl.commands.base import Group

_HERE = "kimchictl.commands.distro"


@click.group(
    cls=Group,
    members={
        "list": (f"{_HERE}.list:list_", "List known distributions that this host runs."),
        "show": (f"{_HERE}.show:show", "Show a known distribution."),
        "add": (f"{_HERE}.add:add", "Add a distribution of this site's own, from a URL."),
        "edit": (f"{_HERE}.edit:edit", "Change a distribution by options, or in your editor."),
        "remove": (f"{_HERE}.remove:remove", "Remove some of this site's own, or hide packaged ones."),
        "check": (f"{_HERE}.check:check", "Ask all their servers whether the images are there."),
    },
)
def distro() -> None:
    """Known distributions, and where their images are."""
