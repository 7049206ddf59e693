"""`kimchictl template`: a file a verb."""

import click

from kimchictl.commands.base import Group

_HERE = "kimchictl.commands.template"


@click.group(
    cls=Group,
    members={
        "list": (f"{_HERE}.list:list_", "List templates, with what is wrong with their files."),
        "show": (f"{_HERE}.show:show", "Show a template with every default filled in."),
        "create": (f"{_HERE}.create:create", "Make templates of images, of known distros, or of nothing."),
        "edit": (f"{_HERE}.edit:edit", "Change a template by options, or in your editor."),
        "clone": (f"{_HERE}.clone:clone", "Copy templates under new names."),
        "delete": (f"{_HERE}.delete:delete", "Delete templates of one's own."),
        "check": (f"{_HERE}.check:check", "Check whether what templates name is still there."),
        "export": (f"{_HERE}.export:export", "Write templates as files for another host."),
        "import": (f"{_HERE}.import_:import_", "Read templates from files, directories or standard input."),
    },
)
def template() -> None:
    """Templates: what VMs are made from."""
