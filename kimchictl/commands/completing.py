"""What a shell is told when it completes an option's value or an argument."""

from collections.abc import Callable
from typing import Any

import click


def complete(kind: str) -> Callable[..., list[Any]]:
    """The completer of a `kind` of kimchictl.commands.names, which is loaded only when a shell asks.

    "file" and "directory" are names of this machine's; "source" is a file or pool:POOL/VOLUME; "vm", "template" and so
    on are live names.
    """

    def ask(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from kimchictl.commands.names import offers

        return offers(kind, ctx, incomplete)

    return ask
