"""`kimchictl distro remove`"""

from shlex import quote

import click

from kimchictl.actions.documents.edit_documents import delete_document
from kimchictl.actions.documents.known_distros import hide
from kimchictl.app import App
from kimchictl.commands.base import Command, missing_ok_option, names_argument, pass_app
from kimchictl.errors import Invalid


@click.command(cls=Command)
@names_argument("distro")
@click.option("--hide", "hiding", is_flag=True, help="Hide a packaged one: it is listed no more.")
@missing_ok_option
@pass_app
def remove(app: App, names: tuple[str, ...], hiding: bool, missing_ok: bool) -> int:
    """Remove some of this site's own, or hide packaged ones.

    What a package brought is never changed. Removing an entry that hides or overrides it brings it back.

    \b
    Examples:
      kimchictl distro remove house-linux
      kimchictl distro remove fedora-40 --hide
    """

    def one(name: str) -> None:
        if hiding:
            hide(app.distros, name)
            app.note(f"distro {name!r} hidden; kimchictl distro remove {name!r} brings it back")
            return
        try:
            uncovered = delete_document(app.distros, name)
        except Invalid as error:
            raise Invalid(str(error), f"hide it: kimchictl distro remove {quote(name)} --hide") from None
        app.note(f"distro {name!r} removed")
        if uncovered is not None:
            app.note(f"distro {name!r} of {uncovered.path} counts again")

    return app.each(names, one, missing_ok)[1]
