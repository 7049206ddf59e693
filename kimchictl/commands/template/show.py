"""`kimchictl template show`"""

import click

from kimchictl.actions.documents.show_templates import Row, resolved_rows, rows_of
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.resolve import defaults_of
from kimchictl.commands.base import Command, name_argument, pass_app
from kimchictl.commands.template.views import TEMPLATES
from kimchictl.errors import UsageError
from kimchictl.render import View, write_json

_RESOLVED = View(("key", "value", "origin"), ("key", "value", "origin"), name="key", sort=None)


@click.command(cls=Command)
@name_argument("template")
@click.option("--stored", is_flag=True, help="The file, as it is.")
@click.option("--resolved", is_flag=True, help="Where each value comes from.")
@pass_app
def show(app: App, name: str, stored: bool, resolved: bool) -> None:
    """Show a template with every default filled in.

    \b
    Examples:
      kimchictl template show debian-12
      kimchictl template show debian-12 --resolved
    """
    if stored and resolved:
        raise UsageError("--stored and --resolved exclude each other")
    document = app.templates.get(name)
    if stored:
        write_json(document.data)
        return
    template = NOUN.read(document)
    if resolved:
        _show_resolved(app, resolved_rows(template, defaults_of(app.config)))
        return
    app.emit(rows_of([(document, template)], defaults_of(app.config), app.remote_host is None)[0], TEMPLATES)


def _show_resolved(app: App, rows: dict[str, Row]) -> None:
    """An object by key in JSON; for a person a line a key."""
    if app.format == "json":
        write_json(rows)
        return
    lines = [{"key": key, **row, "value": TEMPLATES.text(key, row["value"])} for key, row in rows.items()]
    app.emit_list(lines, _RESOLVED)
