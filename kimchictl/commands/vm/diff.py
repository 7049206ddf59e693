"""`kimchictl vm diff`"""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.render import View

if TYPE_CHECKING:
    from kimchictl.actions.vms.vm_diff import Drift

DRIFT = View(("key", "template", "vm"), ("key", "template", "vm"), name="key", sort=None)
CHANGES_FOUND = 10


@click.command(cls=Command)
@name_argument("vm")
@click.option("--template", metavar="T", shell_complete=complete("template"), help="Compare with this one.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 when something differs.")
@pass_app
def diff(app: App, name: str, template: str | None, detailed_exitcode: bool) -> int:
    """Show what a VM differs in from the template that it was made of, as that is now.

    \b
    Examples:
      kimchictl vm diff web
      kimchictl vm diff web --template debian-13
    """
    from kimchictl.actions.vms.vm_diff import diff_vm, template_of
    from kimchictl.catalog.nouns import TEMPLATES
    from kimchictl.catalog.resolve import defaults_of, resolve

    wanted = template if template is not None else template_of(app.host, name)
    resolved = resolve(TEMPLATES.read(app.templates.get(wanted)), defaults_of(app.config))
    found = diff_vm(app.host, name, resolved)
    if found or app.format != "table":
        app.emit_list(found if app.format not in ("table", "wide") else map(_readable, found), DRIFT)
    if not found:
        app.note(f"vm {name!r} is as template {wanted!r} has it")
    return CHANGES_FOUND if found and detailed_exitcode else 0


def _readable(drift: "Drift") -> "Drift":
    """With the unit of what is a number of MiB."""
    if drift.key not in ("memory", "max_memory"):
        return drift
    return replace(drift, template=f"{drift.template} MiB", vm=f"{drift.vm} MiB")
