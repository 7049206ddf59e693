"""What every command stands on: groups that load by name, and shared decorators.

Command    a click command
Group      a group whose members are "module:attribute" strings, imported when used; aliases and "did you mean"
pass_app   hands the App to a callback
decorators list_options, names_argument, yes_option...
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import click

from kimchictl.commands.again import again
from kimchictl.commands.completing import complete
from kimchictl.commands.globals import Accepting
from kimchictl.errors import UsageError, did_you_mean
from kimchictl.render.terminal import write_err

ALIASES = {"ls": ("list",), "rm": ("delete", "remove"), "delete": ("remove",), "remove": ("delete",)}

# What these do needs no right to change anything on a host.
READING = frozenset({"list", "show", "check", "scan", "orphans", "capabilities", "watch", "diff"})
# What these do can be done once more, where the connection broke under it.
REPEATABLE = READING | {"current", "wait", "display", "screenshot"}


class Command(Accepting):
    """A command of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        app = ctx.find_root().obj
        app.only_reads, app.repeatable = self.name in READING, self.name in REPEATABLE
        work = partial(super().invoke, ctx)
        return again(app, work) if app.repeatable else work()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from kimchictl.commands.exits import exit_statuses

        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(exit_statuses(ctx, self.name in READING))
        formatter.write_paragraph()
        formatter.write_text("Global options (-c, -o, -q, -v...) are accepted here too: see kimchictl --help.")


class Group(Accepting, click.Group):
    """A group that knows its members by name: `members` maps a name to ("module:attribute", summary).

    Nothing is imported to print the group's own help or to refuse a mistyped member.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        members: Mapping[str, tuple[str, str]] | None = None,
        show_globals: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **{**settings, "no_args_is_help": False})
        self.members = dict(members or {})
        self.show_globals = show_globals

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without anything: the help, on stderr, and wrong usage."""
        if not args and not ctx.resilient_parsing:
            write_err(ctx.get_help() + "\n")
            ctx.exit(UsageError.exit_status)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.members, *(name for name in super().list_commands(ctx) if name not in self.members)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self._resolve(ctx, cmd_name)
        if name not in self.members:
            return super().get_command(ctx, name)
        module, _, attribute = self.members[name][0].partition(":")
        loaded: click.Command = getattr(importlib.import_module(module), attribute)
        return loaded

    def _resolve(self, ctx: click.Context, name: str) -> str:
        known = self.list_commands(ctx)
        if name in known:
            return name
        return next((full for full in ALIASES.get(name, ()) if full in known), name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if self._resolve(ctx, name) not in self.list_commands(ctx) and not name.startswith("-"):
            raise UsageError(f"there is no command {ctx.command_path + ' ' + name!r}", self.hint(ctx, name))
        return super().resolve_command(ctx, args)

    def hint(self, ctx: click.Context, name: str, also: Iterable[str] = ()) -> str:
        """What to type in place of `name`, which is none of the commands here nor one of what there is `also`."""
        from kimchictl.commands.elsewhere import command_here

        if known_elsewhere := command_here(ctx.command_path, name):
            return known_elsewhere
        if deeper := self._deeper(ctx, name):
            return "did you mean " + ", ".join(deeper)
        known = [*self.list_commands(ctx), *also]
        return did_you_mean(name, known, "there are: " + ", ".join(known))

    def _deeper(self, ctx: click.Context, name: str) -> list[str]:
        """Where a group below has a command of that name, on the nearest level: "vm list" of "list"."""
        level: list[tuple[str, Group]] = [(ctx.command_path, self)]
        while level:
            members = [(path, group, word) for path, group in level for word in group.list_commands(ctx)]
            below = [(f"{path} {word}", group.get_command(ctx, word)) for path, group, word in members]
            level = [(path, group) for path, group in below if isinstance(group, Group)]
            if found := [path for path, group in level if group.get_command(ctx, name) is not None]:
                return [f"{path.partition(' ')[2]} {name}" for path in found]
        return []

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in self.members:
                rows.append((name, self.members[name][1]))
            elif (command := self.commands[name]) and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=100)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


pass_app: Callable[[Callable[..., Any]], Callable[..., Any]] = click.pass_obj


def list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--columns, --sort and --filter: what every list takes."""

    def split(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            app = ctx.find_root().obj
            app.options.columns = tuple(part.strip() for part in value.split(",") if part.strip())

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.find_root().obj.options, "filters" if param.name == "filter" else "sort", value)

    for decorate in (
        click.option(
            "--columns", metavar="A,B", expose_value=False, callback=split, help="Only these keys, in this order."
        ),
        click.option("--sort", metavar="[-]KEY", expose_value=False, callback=keep, help="Sort by a key; - backwards."),
        filter_option(expose_value=False, callback=keep),
    ):
        function = decorate(function)
    return function


def filter_option(**settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--filter, repeatable: key=value, key!=value, key~regex, key>=value."""
    text = "Only what has key=value, key!=value, key~regex or key>=value. May be repeated."
    return click.option("--filter", "filter", metavar="F", multiple=True, help=text, **settings)


def ca_file_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--ca-file: an authority of one's own for https and ftps; it goes before the configuration's."""

    def keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            ctx.find_root().obj.options.ca_file = os.path.abspath(value)

    text = "Certificates to trust besides the system's (net.ca_file)."
    kind = click.Path(exists=True, dir_okay=False, readable=True)
    return click.option("--ca-file", metavar="FILE", type=kind, expose_value=False, callback=keep, help=text)(function)


def yes_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--yes: consent, given beforehand."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(function)


def missing_ok_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--missing-ok: what is not there is no error."""
    return click.option("--missing-ok", is_flag=True, help="What is not there is no error.")(function)


def names_argument(kind: str, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """NAME...: one or more names of `kind`, which a shell completes; "-" reads some from stdin, a line each."""
    return click.argument(
        "names",
        metavar="NAME..." if required else "[NAME]...",
        nargs=-1,
        required=required,
        callback=expand_names,
        shell_complete=complete(kind),
    )


def name_argument(kind: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """NAME: one name of `kind`, which a shell completes."""
    return click.argument("name", shell_complete=complete(kind), **settings)


def expand_names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """`value` with "-" replaced by the lines of standard input, each name once."""
    if "-" in value:
        ctx.meta["kimchictl.stdin"] = True
        lines = os.fsdecode(sys.stdin.buffer.read(1 << 24)).split("\n") if sys.stdin else []
        place = value.index("-")
        read = (line.removesuffix("\r") for line in lines if line.strip())
        value = (*value[:place], *read, *(each for each in value[place:] if each != "-"))
    return tuple(dict.fromkeys(value))
