"""`kimchictl template list`"""

import os

import click

from kimchictl.actions.show_templates import listed_rows
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.resolve import defaults_of
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.template.views import TEMPLATES


@click.command("list", cls=Command)
@list_options
@pass_app
def list_(app: App) -> None:
    """List templates, with what is wrong with their files.

    Nothing but the file system is asked: see template check for the rest.

    \b
    Examples:
      kimchictl template list
      kimchictl template list -o json --filter os_distro=debian
    """
    cache = os.path.join(app.places.cache_dir, "template-rows")
    defaults = defaults_of(app.config)
    rows = listed_rows(app.templates.read(), NOUN, defaults, app.remote_host is None, cache, app.note)
    app.emit_list(rows, TEMPLATES)
