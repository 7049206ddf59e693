"""`kimchictl template export`"""

import click

from kimchictl.actions.documents.transfer import export_text, export_to_directory, exported, write_file
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.commands.base import Command, names_argument, pass_app
from kimchictl.commands.completing import complete
from kimchictl.errors import UsageError
from kimchictl.render import write_out


@click.command(cls=Command)
@names_argument("template", required=False)
@click.option("--all", "everything", is_flag=True, help="All templates.")
@click.option(
    "--file",
    "path",
    metavar="FILE|-",
    default="-",
    shell_complete=complete("file"),
    help="Where to write; standard output by default.",
)
@click.option(
    "--directory",
    metavar="DIR",
    shell_complete=complete("directory"),
    help="Write a file for each template into this directory.",
)
@click.option("--overwrite", is_flag=True, help="Files in the directory may be replaced.")
@pass_app
def export(
    app: App, names: tuple[str, ...], everything: bool, path: str, directory: str | None, overwrite: bool
) -> int:
    """Write templates as files for another host.

    One template is one object, several are an array; template import reads both. Where they came from is left out.

    \b
    Examples:
      kimchictl template export web --file web.json
      kimchictl template export --all --directory /srv/templates
    """
    if bool(names) == everything:
        raise UsageError("give the names of templates, or --all")
    listing = app.templates.read()
    chosen = tuple(listing.documents) if everything else names
    documents, status = app.each(chosen, lambda name: exported(NOUN, listing.get(name)))
    if directory is not None:
        written, failed = app.each(
            [document["name"] for document in documents],
            lambda name: export_to_directory(directory, _named(documents, name), overwrite),
        )
        for one in written:
            app.note(f"{one} written")
        return status or failed
    if documents or not status:
        text = export_text(documents, len(chosen) != 1)
        write_out(text) if path == "-" else write_file(path, text)
    return status


def _named(documents: list[dict[str, object]], name: str) -> dict[str, object]:
    return next(document for document in documents if document["name"] == name)
