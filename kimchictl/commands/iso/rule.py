"""`kimchictl iso rule`: what this site taught, listed, shown, edited and deleted."""

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, missing_ok_option, name_argument, names_argument, pass_app
from kimchictl.errors import KimchiError
from kimchictl.render import View, write_json

_COLUMNS = ("name", "distro", "version", "pattern", "origin")
RULES = View(columns=(*_COLUMNS, "problem"), keys=(*_COLUMNS, "path", "problem"), wide=("path",))


@click.group(cls=Group)
def rule() -> None:
    """Rules of this site: what was taught about labels."""


@rule.command("list")
@list_options
@pass_app
def list_(app: App) -> None:
    """List the rules of this site, and what is wrong with them.

    \b
    Examples:
      kimchictl iso rule list
      kimchictl iso rule list --filter problem~. -o json
    """
    from kimchictl.actions.images.teach import list_rules

    app.emit_list(list_rules(app.rules), RULES)


@rule.command()
@name_argument("rule")
@pass_app
def show(app: App, name: str) -> None:
    """Show a rule as it is stored.

    \b
    Examples:
      kimchictl iso rule show appliance-4.2
      kimchictl iso rule show appliance-4.2 -o json > rule.json
    """
    write_json(app.rules.get(name).data)


@rule.command()
@name_argument("rule")
@pass_app
def edit(app: App, name: str) -> None:
    """Open a rule in VISUAL or EDITOR, and again after a mistake.

    \b
    Examples:
      kimchictl iso rule edit appliance-4.2
      EDITOR=nano kimchictl iso rule edit appliance-4.2
    """
    from kimchictl.actions.images.teach import edit_rule

    if edit_rule(app.rules, name):
        app.note(f"rule {name!r} changed")
        name_known(app, name)
    else:
        app.note(f"rule {name!r} is unchanged")


@rule.command()
@names_argument("rule")
@missing_ok_option
@pass_app
def delete(app: App, names: tuple[str, ...], missing_ok: bool) -> int:
    """Delete rules of one's own.

    \b
    Examples:
      kimchictl iso rule delete appliance-4.2
      kimchictl iso rule list -o name | kimchictl iso rule delete -
    """

    def remove(name: str) -> None:
        with app.rules.session() as session:
            session.delete(name)
        app.note(f"rule {name!r} deleted")
        name_known(app, name)

    return app.each(names, remove, missing_ok)[1]


def name_known(app: App, rule: str) -> None:
    """Let the images that are known follow the rule, which is stored, changed or gone."""
    from kimchictl.actions.images.name_anew import name_anew

    try:
        count = name_anew(app.index, rule)
    except KimchiError as error:
        app.note(f"known images keep their names until the next scan: {error}")
        return
    if count:
        app.note(f"{count} known {'image was' if count == 1 else 'images were'} named anew")
