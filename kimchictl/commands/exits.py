"""Which exit statuses a command can end with, told from what it is given: for its own help."""

import click

_MEANINGS = {
    0: "done",
    1: "failed",
    2: "wrong usage",
    3: "not found",
    4: "exists, in use, in the wrong state, invalid or damaged",
    5: "no host",
    6: "locked",
    7: "some of several failed, or a check did",
    8: "timed out",
    10: "changes found",
}
_WITHOUT_HOST = frozenset({"distro", "task", "config", "completion", "help"})
_KEPT = frozenset({"iso", "distro", "template", "task"})  # what they change is locked
_REFRESHING = (["vm", "create"], ["vm", "clone"])  # so is a pool while it is refreshed


def exit_statuses(ctx: click.Context, only_reads: bool) -> str:
    """The line that a command's help ends with; 130, 141 and 143 hold for all and stand in `help exit-status`."""
    group = ctx.command_path.split()[1]
    arguments = [param for param in ctx.command.params if isinstance(param, click.Argument)]
    names = {param.name for param in ctx.command.params}
    words = any(isinstance(argument.type, click.Choice) for argument in arguments) or group == "help"
    about_things = bool(arguments) and not words
    possible = {
        3: about_things,
        4: about_things or not (only_reads or arguments),
        5: group not in _WITHOUT_HOST,
        6: (group in _KEPT and not only_reads) or ctx.command_path.split()[1:] in _REFRESHING,
        7: "all_hosts" in names
        or ctx.command.name == "check"
        or (about_things and any(one.nargs == -1 for one in arguments)),
        8: "timeout" in names,
        10: "detailed_exitcode" in names,
    }
    return "Exit status: " + ", ".join(f"{n} {text}" for n, text in _MEANINGS.items() if possible.get(n, True)) + "."
