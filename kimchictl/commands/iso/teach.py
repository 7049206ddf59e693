"""`kimchictl iso teach`."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.iso.rule import name_known
from kimchictl.render import write_json


@click.command(cls=Command)
@click.argument("source", shell_complete=complete("source"))
@click.option("--os-distro", "distro", metavar="D", required=True, help="The distribution, as libosinfo calls it.")
@click.option("--os-version", "version", metavar="V", required=True, help="Its version.")
@click.option("--name", metavar="NAME", help="The rule's name; DISTRO-VERSION if not given.")
@click.option("--replace", is_flag=True, help="Replace a rule of that name.")
@click.option("--dry-run", is_flag=True, help="Show the rule, and write nothing.")
@pass_app
def teach(app: App, source: str, distro: str, version: str, name: str | None, replace: bool, dry_run: bool) -> None:
    """Make a rule of this site from an image, so that the next scan knows its label.

    The numbers in the label are generalised: where the version stands in it, later versions are read from there. A rule
    of the site comes before all others. Images that are known already follow it at once. kimchictl iso rule lists,
    shows, edits and deletes rules.

    \b
    Examples:
      kimchictl iso teach appliance-4.2.iso --os-distro ourappliance --os-version 4.2
      kimchictl iso teach old.iso --os-distro debian --os-version 3.1 --dry-run
    """
    from kimchictl.actions.images.sources import opened
    from kimchictl.actions.images.teach import keep_rule, rule_for

    with opened(source, lambda: app.host, app.config, app.remote_host is not None) as medium:
        document = rule_for(medium, distro, version, name)
    if dry_run:
        write_json(document)
        app.note("nothing was written")
        return
    kept = keep_rule(app.rules, document, replace)
    write_json(document)
    app.note(f"rule {kept.name!r} written to {kept.path}")
    name_known(app, kept.name)
