"""`kimchictl template list`"""

import os

import click

from kimchictl.actions.documents.list_templates import list_templates
from kimchictl.app import App
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.several import on_hosts
from kimchictl.commands.template.views import TEMPLATES


@click.command("list", cls=Command)
@click.option("--used-by", is_flag=True, help="The VMs of the host that were made from each, too.")
@list_options
@pass_app
@on_hosts()
def list_(app: App, used_by: bool) -> None:
    """List templates, with what is wrong with their files.

    Nothing but the file system is asked, and with --used-by the host: see template check for the rest.

    \b
    Examples:
      kimchictl template list
      kimchictl template list -o json --filter os_distro=debian
    """
    cache = os.path.join(app.places.cache_dir, "template-rows")
    rows = list_templates(app.templates, app.config, app.remote_host is None, cache, app.note)
    view = TEMPLATES._replace(sort=None)  # they come in their order
    if not used_by:
        app.emit_list(rows, view)
        return
    from kimchictl.actions.documents.template_users import vms_of_templates

    users = vms_of_templates(app.host)
    view = view._replace(columns=(*view.columns, "used_by"), keys=(*view.keys, "used_by"))
    app.emit_list([{**row, "used_by": users.get(row["name"], [])} for row in rows], view)
