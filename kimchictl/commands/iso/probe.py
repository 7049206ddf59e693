"""`kimchictl iso probe`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, ca_file_option, expand_names, list_options, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.iso.views import IMAGES, emit_explained


@click.command(cls=Command)
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, callback=expand_names, shell_complete=complete("source")
)
@click.option("--explain", is_flag=True, help="Show the labels, the rule, the runners-up, and what decided.")
@ca_file_option
@list_options
@pass_app
def probe(app: App, sources: tuple[str, ...], explain: bool) -> int:
    """Read the first sectors of images and name the system on each.

    SOURCE is a file, a block device, pool:POOL/VOLUME or a URL; - reads names from standard input.

    \b
    Examples:
      kimchictl iso probe debian-12.5.0-amd64-netinst.iso
      kimchictl iso probe -o json *.iso
      kimchictl iso probe --explain unknown.iso
      find /srv -name '*.iso' | kimchictl iso probe - -o csv

    Exit status: 0 all were read; 1 a URL or a file could not be; 3 not found; 4 not an image; 7 some failed.
    """
    from kimchictl.actions.documents.usage import used_by_templates
    from kimchictl.actions.images.sources import look_at

    app.check_selection(IMAGES)
    remote = app.remote_host is not None
    seen, status = app.each(sources, lambda source: look_at(source, lambda: app.host, app.config, remote))
    images = used_by_templates([one.image for one in seen], app.templates)
    if explain:
        emit_explained(app, images, [one.evidence for one in seen])
    else:
        app.emit_list(images, IMAGES)
    return status
