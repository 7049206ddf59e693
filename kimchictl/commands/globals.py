"""The global options, which are accepted anywhere: `kimchictl -o json vm list` and `kimchictl vm list -o json` are one.

Accepting      what takes them: every Command and Group
ending         settings of an option that prints something instead of running the command
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import click

from kimchictl.commands.completing import complete
from kimchictl.commands.values import DURATION
from kimchictl.render.terminal import write_out

OUTPUTS = ("table", "wide", "json", "csv", "name")


def _set(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Remember a global option; the one nearest to the end of the line wins."""
    if value is not None and value is not False:  # 0 is a descriptor
        setattr(ctx.find_root().obj.options, param.name or "", value)


@cache
def global_params(hidden: bool) -> list[click.Parameter]:
    """The global options, hidden from the help of all but the root."""

    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_set, hidden=hidden, **settings)

    return [
        option(
            "-c",
            "--connect",
            metavar="URI|HOST",
            shell_complete=complete("host"),
            help="The libvirt host, as a URI or a configured name.",
        ),
        option("--password-fd", type=int, metavar="N", help="Read the host's password from this open descriptor."),
        option("-o", "--output", type=click.Choice(OUTPUTS), help="How data is printed."),
        option("-q", "--quiet", is_flag=True, help="No notes and no progress."),
        option("-v", "--verbose", is_flag=True, help="Say more."),
        option("--debug", is_flag=True, help="Show the traceback of an error."),
        option("--color", type=click.Choice(("auto", "always", "never")), help="When to colour."),
        option("--progress", type=click.Choice(("auto", "bar", "json", "none")), help="How to show progress."),
        option("--lock-timeout", type=DURATION, metavar="TIME", help="How long to wait for a lock, like 10s."),
    ]


def ending(says: Callable[[click.Context], str]) -> dict[str, Any]:
    """Settings of an option that prints something instead of running the command."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            write_out(says(ctx) + "\n")
            ctx.exit()

    return {"is_flag": True, "is_eager": True, "expose_value": False, "callback": show}


# One for all commands. click would make one for each, and look for a translation of its text each time.
_HELP = click.Option(["-h", "--help"], help="Show this message and exit.", **ending(click.Context.get_help))


class Accepting(click.Command):
    """What takes the global options too, on any side of its own; `show_globals` tells of them in the help."""

    show_globals = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own[:-1], *_globals_of(self, hidden=not self.show_globals), *own[-1:]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Where a shell completes an option's value the line ends in that option, and click would take nothing from it.
        if ctx.resilient_parsing and args and args[-1].startswith("-"):
            args = args[:-1]
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return _HELP

    def make_parser(self, ctx: click.Context) -> Any:
        # click takes every word for a long option first. Of a short one it would then search all names for similar
        # ones, and a translation of the error that nobody sees: which loads difflib and locale.
        parser = super().make_parser(ctx)
        parser._long_opt.update(parser._short_opt)
        return parser


def _globals_of(command: Any, hidden: bool) -> list[click.Parameter]:
    """The global options that `command` does not define itself, made once: click asks for them several times."""
    made: list[click.Parameter] | None = getattr(command, "_globals", None)
    if made is None:
        own = {name for param in command.params for name in param.opts}
        made = command._globals = [param for param in global_params(hidden) if not own.intersection(param.opts)]
    return made
