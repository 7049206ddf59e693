"""`kimchictl completion`: the script for a shell, which is click's own."""

import click
from click.shell_completion import get_completion_class

from kimchictl.app import App
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.names import VARIABLE
from kimchictl.errors import UsageError
from kimchictl.render import write_out

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(kimchictl completion bash)
      kimchictl completion fish > ~/.config/fish/completions/kimchictl.fish
    """
    write_out(script(shell))


def script(shell: str) -> str:
    """The script for `shell`, one of SHELLS. click's own method would look at this machine's bash first."""
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell!r}", "there is one for " + ", ".join(SHELLS))
    writer = found(click.Group("kimchictl"), {}, "kimchictl", VARIABLE)
    return str(writer.source_template % writer.source_vars()).lstrip("\n")
