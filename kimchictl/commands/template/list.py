"""`kimchictl template list`"""

import os

import click

from kimchictl.actions.show_templates import listed_rows
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.resolve import defaults_of
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.template.views import TEMPLATES
from kimchictl.render import View


@click.command("list", cls=Command)
@click.option("--used-by", is_flag=True, help="The VMs of the host that were made from each, too.")
@list_options
@pass_app
def list_(app: App, used_by: bool) -> None:
    """List templates, with what is wrong with their files.

    Nothing but the file system is asked, and with --used-by the host: see template check for the rest.

    \b
    Examples:
      kimchictl template list
      kimchictl template list -o json --filter os_distro=debian
    """
    cache = os.path.join(app.places.cache_dir, "template-rows")
    defaults = defaults_of(app.config)
    rows = listed_rows(app.templates.read(), NOUN, defaults, app.remote_host is None, cache, app.note)
    if not used_by:
        app.emit_list(rows, TEMPLATES)
        return
    from kimchictl.actions.template_users import vms_of_templates

    users = vms_of_templates(app.host)
    columns, keys = (*TEMPLATES.columns, "used_by"), (*TEMPLATES.keys, "used_by")
    view = View(columns, keys, wide=TEMPLATES.wide, formats=TEMPLATES.formats, units=TEMPLATES.units, ready=True)
    app.emit_list([{**row, "used_by": users.get(row["name"], [])} for row in rows], view)
