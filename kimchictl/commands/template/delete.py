"""`kimchictl template delete`"""

import click

from kimchictl.actions.documents.edit_documents import delete_document
from kimchictl.actions.documents.from_scan import decline
from kimchictl.app import App
from kimchictl.commands.base import Command, missing_ok_option, names_argument, pass_app


@click.command(cls=Command)
@names_argument("template")
@missing_ok_option
@pass_app
def delete(app: App, names: tuple[str, ...], missing_ok: bool) -> int:
    """Delete templates of one's own.

    Images are left alone. One that a scan made a template of is remembered, so that the next scan does not bring it
    back. A template of a package or of the site is refused: it can be overridden, not deleted. A damaged file goes by
    the name it would have.

    \b
    Examples:
      kimchictl template delete web
      kimchictl template list --filter os_distro=debian -o name | kimchictl template delete -
    """

    def remove(name: str) -> None:
        uncovered = delete_document(app.templates, name, lambda data: decline(app.index, data))
        app.note(f"template {name!r} deleted")
        if uncovered is not None:
            app.note(f"template {name!r} of {uncovered.path} counts again")

    return app.each(names, remove, missing_ok)[1]
