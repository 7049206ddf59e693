"""`kimchictl help`: what holds for all commands, in a screen a subject, and the help of each command."""

from collections.abc import Sequence

import click

from kimchictl.commands.base import Command, Group
from kimchictl.config import KEYS
from kimchictl.errors import KimchiError, UsageError
from kimchictl.render import write_out

SUBJECTS = ("output", "filters", "exit-status", "places")

OUTPUT = """\
Data goes to standard output; everything said to a person goes to standard error.

  -o table   for people: as wide as the terminal; in a pipe without box, colour, truncation or wrapping
  -o wide    the same with more columns
  -o json    a list is always an array, a show an object; sizes in bytes as whole numbers,
             times in UTC as 2026-01-02T03:04:05Z, null for what is not known
  -o csv     a line of keys, then one line an object
  -o name    names alone, a line each

  --columns A,B    only these keys, in this order        --sort [-]KEY    by a key, - backwards
  -q               no notes, no progress                 -v               say more
  --progress json  one object a line on standard error

With -o json an error is {"error": {"code": ..., "message": ..., "hint": ...}} on standard error.
Colour follows --color, NO_COLOR, FORCE_COLOR and TERM=dumb. What comes from an image, a file name or a
server is escaped before it reaches a terminal.
"""

FILTERS = """\
Every list takes --filter, as often as wanted; what passes all of them is shown.

  key=value     equal           os_distro=debian        key~regex    matches     name~^web
  key!=value    not equal       state!=running          key>=value   at least    size>=2G
  key<=value, key<value, key>value

Sizes compare as bytes and take units (512M, 2G, 1.5GiB: powers of two). A key that holds a list passes when
one of its items does. "a.b" looks inside objects: disks.size>=40G; null is "not known".
"""

PLACES = """\
What                                     As root                    As a user, over root's           Override
distros, templates, rules of packages    /usr/share/kimchi          the same                         KIMCHI_DATA_DIR
distros, templates, rules of this site   /etc/kimchi                $XDG_CONFIG_HOME/kimchi          KIMCHI_CONFIG_DIR
configuration, kimchictl.toml            /etc/kimchi                $XDG_CONFIG_HOME/kimchi          KIMCHI_CONFIG_DIR
index of images, statistics, tasks       /var/lib/kimchi            $XDG_STATE_HOME/kimchi           KIMCHI_STATE_DIR
caches, safe to delete                   /var/cache/kimchi          $XDG_CACHE_HOME/kimchi           KIMCHI_CACHE_DIR

A later place overrides an entry of the same name; `list` shows the origin of each. What lies in /usr/share is
never changed, only overridden. `kimchictl config path` shows the places that count now.

The connection: -c, KIMCHICTL_CONNECT, LIBVIRT_DEFAULT_URI, else libvirt's own default; -c NAME is a
[hosts.NAME] of the configuration. These keys can be set in kimchictl.toml and in the environment:

"""


def _offered(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What a shell is told: the subjects and the groups, or the commands of the group that is on the line."""
    given = ctx.params.get(param.name or "") or ()
    try:
        at = _reached(ctx.find_root(), given)
    except UsageError:
        return []
    commands = at.command.list_commands(at) if isinstance(at.command, Group) else []
    return [word for word in [*commands, *(() if given else SUBJECTS)] if word.startswith(incomplete)]


@click.command("help", cls=Command)
@click.argument("words", metavar="[SUBJECT | COMMAND...]", nargs=-1, shell_complete=_offered)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Explain a command, or a subject: output, filters, exit-status, places.

    Without either: which commands there are.

    \b
    Examples:
      kimchictl help filters
      kimchictl help exit-status
      kimchictl help vm create
    """
    if len(words) == 1 and words[0] in SUBJECTS:
        write_out(_text_of(words[0]))
    else:
        write_out(_reached(ctx.find_root(), words).get_help() + "\n")


def _text_of(subject: str) -> str:
    return {"output": OUTPUT, "filters": FILTERS, "places": PLACES + _keys(), "exit-status": exit_statuses()}[subject]


def _reached(root: click.Context, words: Sequence[str]) -> click.Context:
    """The context of the command to which `words` lead from the root. Raises UsageError where they lead nowhere."""
    at = root
    for word in words:
        if not isinstance(at.command, Group):
            raise UsageError(f"{at.command_path!r} has no commands", f"see {at.command_path} --help")
        command = at.command.get_command(at, word)
        if command is None:
            subjects = SUBJECTS if at is root else ()
            raise UsageError(f"no help for {' '.join(words)!r}", at.command.hint(at, word, subjects))
        at = click.Context(command, parent=at, info_name=command.name, **command.context_settings)
    return at


def exit_statuses() -> str:
    """The table of exit statuses, from the errors themselves."""
    rows: dict[int, list[str]] = {0: ["done"]}
    kinds: list[type[KimchiError]] = [KimchiError, *KimchiError.__subclasses__()]
    for kind in kinds:
        meaning = " ".join((kind.__doc__ or "").split()).rstrip(".")
        if kind is not KimchiError:
            rows.setdefault(kind.exit_status, []).append(meaning)
    rows[10] = ["changes were found (--detailed-exitcode)"]
    rows |= {130: ["interrupted"], 141: ["nobody read standard output any more"], 143: ["terminated"]}
    lines = [
        f"{status if not i else '':>4}  {text}"
        for status, texts in sorted(rows.items())
        for i, text in enumerate(texts)
    ]
    tail = "\nOf several names that all failed alike, that status; failed differently, or only some of them: 7.\n"
    return "\n".join(lines) + "\n" + tail


def _keys() -> str:
    width = max(map(len, KEYS)) + 2
    return "".join(f"  {key.name:<{width}}{key.variable:<36}{key.meaning}\n" for key in KEYS.values())
