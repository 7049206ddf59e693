"""Every command there is, for tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kimchictl.cli import kimchictl


def commands(
    group: click.Group = kimchictl, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command
