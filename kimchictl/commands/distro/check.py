"""`kimchictl distro check`"""

import click

from kimchictl.actions.documents.distro_check import DistroCheck, check_distros
from kimchictl.actions.documents.show_templates import readable
from kimchictl.app import App
from kimchictl.catalog.distros import is_hidden
from kimchictl.catalog.nouns import DISTROS as NOUN
from kimchictl.commands.base import Command, ca_file_option, list_options, names_argument, pass_app
from kimchictl.media.remote import net_settings
from kimchictl.render import View

CHECKS = View(
    columns=("name", "status", "message"),
    keys=tuple(DistroCheck.__dataclass_fields__),
    wide=("url", "moved_to", "size", "ranges", "os_distro", "os_version", "checksum"),
)
_SOME_FAIL = 7


@click.command(cls=Command)
@names_argument("distro", required=False)
@ca_file_option
@list_options
@pass_app
def check(app: App, names: tuple[str, ...]) -> int:
    """Ask all their servers whether the images are there.

    All at once, each within distro.timeout: is it reachable, can it be streamed, is it the system that the entry
    claims, is there a checksum. Without NAME all entries are checked. Exit status 7 if something is wrong.

    \b
    Examples:
      kimchictl distro check debian-12
      kimchictl distro check --filter status=fail -o json
    """
    app.check_selection(CHECKS)
    listing = app.distros.read()
    if names:
        distros, status = app.each(names, lambda name: NOUN.read(listing.get(name)))
    else:
        found, status = readable(listing, NOUN, app.note), 0
        distros = [distro for _, distro in found if not is_hidden(distro)]
    if status and not distros:
        return status
    net = net_settings(app.config)
    with app.task(f"check of {', '.join(names) or 'all distributions'}") as progress:
        checks = check_distros(distros, app.config.mirrors, net, app.config["distro.timeout"], progress)
    app.emit_list(checks, CHECKS)
    return status or (_SOME_FAIL if any(one.status == "fail" for one in checks) else 0)
