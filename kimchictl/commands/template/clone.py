"""`kimchictl template clone`"""

import click

from kimchictl.actions.documents.edit_documents import clone_document, new_name
from kimchictl.actions.documents.provenance import made
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.commands.base import Command, names_argument, pass_app
from kimchictl.commands.template.views import say_kept
from kimchictl.errors import UsageError


@click.command(cls=Command)
@names_argument("template")
@click.option(
    "--name", "wanted", metavar="NEW", help="The copy's name; by default the first free NAME-clone1, -clone2..."
)
@pass_app
def clone(app: App, names: tuple[str, ...], wanted: str | None) -> int:
    """Copy templates under new names.

    \b
    Examples:
      kimchictl template clone debian-12
      kimchictl template clone debian-12 --name web
    """
    if wanted is not None and len(names) > 1:
        raise UsageError("--name needs exactly one template to clone")
    title = None if wanted is None else new_name(wanted, NOUN)
    clones, status = app.each(names, lambda name: clone_document(app.templates, NOUN, name, title, made("clone")))
    say_kept(app, clones, "created", len(names) > 1)
    return status
