"""`kimchictl template import`"""

import sys
from collections.abc import Callable, Iterator

import click

from kimchictl.actions.documents.create_template import IF_EXISTS, Draft, Kept, keep, preview
from kimchictl.actions.documents.transfer import Found, documents_in, imported, read_source, sources
from kimchictl.app import App, exit_status
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.parse import unknown_keys
from kimchictl.commands.base import Command, pass_app, yes_option
from kimchictl.commands.completing import complete
from kimchictl.commands.template.views import emit_kept
from kimchictl.errors import KimchiError
from kimchictl.store.documents import LARGEST_FILE


@click.command("import", cls=Command)
@click.argument("paths", metavar="FILE|DIRECTORY|-...", nargs=-1, required=True, shell_complete=complete("file"))
@click.option("--if-exists", type=click.Choice(IF_EXISTS), default="fail", help="What to do when a name is taken.")
@click.option("--dry-run", is_flag=True, help="Check them, and store nothing.")
@yes_option
@pass_app
def import_(app: App, paths: tuple[str, ...], if_exists: str, dry_run: bool, yes: bool) -> int:
    """Read templates from files, directories or standard input.

    A file holds one object or an array. Every template is checked; one that is wrong costs the others nothing.

    \b
    Examples:
      kimchictl template import web.json
      ssh other kimchictl template export --all | kimchictl template import - --if-exists skip
      kimchictl template import templates/ --if-exists replace --yes
    """
    if if_exists == "replace" and not dry_run:
        app.confirm("replacing templates that exist", yes)
    kept: list[Kept] = []
    failures: list[int] = []

    def fail(error: KimchiError) -> None:
        app.report(error)
        failures.append(error.exit_status)

    nothing = True
    for found in _offered(paths, fail):
        nothing = False
        try:
            template = imported(NOUN, found, keep_provenance=True)
            for key in sorted(unknown_keys(found.data)):
                app.note(f"template {template.name!r}: unknown key {key!r} is kept")
            one = (preview if dry_run else keep)(app.templates, Draft(template, True), if_exists)
            kept.append(one)
            done = "imported" if one.done == "created" else one.done
            app.note(f"template {one.template.name!r} {'would be ' if dry_run else ''}{done}")
        except KimchiError as error:
            fail(error)
    if nothing and not failures:
        app.note(f"there is no template in {', '.join(paths)}")
    emit_kept(app, [one.template for one in kept], True)
    return exit_status(len(kept) + len(failures), failures)


def _offered(paths: tuple[str, ...], fail: Callable[[KimchiError], None]) -> Iterator[Found]:
    """Every document of every path; `fail` is told of what cannot be read."""
    for path in paths:
        try:
            if path == "-":
                yield from documents_in(sys.stdin.buffer.read(LARGEST_FILE + 1), "standard input")
                continue
            for file in sources(path):
                try:
                    yield from read_source(file)
                except KimchiError as error:
                    fail(error)
        except KimchiError as error:
            fail(error)
