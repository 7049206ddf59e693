"""`kimchictl template check`"""

import click

from kimchictl.actions.documents.check_templates import check_templates
from kimchictl.actions.documents.show_templates import readable
from kimchictl.actions.host.findings import FAIL
from kimchictl.app import App
from kimchictl.catalog.nouns import TEMPLATES as NOUN
from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import defaults_of
from kimchictl.commands.base import Command, ca_file_option, list_options, names_argument, pass_app
from kimchictl.commands.several import CHECK_PATIENCE, on_hosts
from kimchictl.errors import HostError
from kimchictl.render import View

_FINDINGS = View(("name", "status", "message", "fix"), ("name", "status", "message", "fix"), sort=None)
_SOME_FAIL = 7


@click.command(cls=Command)
@names_argument("template", required=False)
@ca_file_option
@list_options
@pass_app
@on_hosts(CHECK_PATIENCE)
def check(app: App, names: tuple[str, ...]) -> int:
    """Check whether what templates name is still there.

    Image or URL, pools, networks, architecture, firmware, memory, and whether guests may read the files. Each line
    names the fix; nothing is changed. Exit status 7 if something is wrong. Without NAME all templates are checked.

    \b
    Examples:
      kimchictl template check web
      kimchictl template check -o json
    """
    app.check_selection(_FINDINGS)
    listing = app.templates.read()
    if names:
        found, status = app.each(names, lambda name: (listing.get(name), NOUN.read(listing.get(name))))
    else:
        found, status = readable(listing, NOUN, app.note), 0
    if status and not found:
        return status
    try:
        host = app.host if found else None
    except HostError as error:
        app.note(f"not checked: pools, networks and what the host can run: {error}")
        host = None
    urls = _ask_servers(app, [template for _, template in found if "://" in (template.cdrom or "")])
    defaults = defaults_of(app.config)
    findings = check_templates(found, defaults, host, app.remote_host is None, urls)
    app.emit_list(findings, _FINDINGS)
    wrong = [_SOME_FAIL for finding in findings if finding.status == FAIL]
    return status or (wrong or [0])[0]


def _ask_servers(app: App, templates: list[Template]) -> dict[str, tuple[str, str]]:
    if not templates:
        return {}
    from kimchictl.actions.documents.distro_check import check_distros
    from kimchictl.media.remote import net_settings

    checks = check_distros(
        templates, app.config.mirrors, net_settings(app.config), app.config["distro.timeout"], app.progress
    )
    return {check.name: (check.status, check.message or "") for check in checks}
