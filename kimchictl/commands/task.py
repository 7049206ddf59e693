"""`kimchictl task`: work that takes long, and who does it."""

from typing import Any

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, name_argument, names_argument, pass_app
from kimchictl.commands.values import DURATION
from kimchictl.render import View
from kimchictl.units import format_size

KEYS = ("id", "what", "who", "host", "state", "started", "finished", "progress", "message", "pid")


def _advance(value: Any) -> str:
    """ "45 %", "1.5 GiB", "300 directories" """
    if value["percent"] is not None:
        return f"{value['percent']:.0f} %"
    if value["done"] is None:
        return "-"
    return format_size(value["done"]) if value["unit"] == "bytes" else f"{value['done']} {value['unit'] or ''}".rstrip()


TASKS = View(
    columns=("id", "what", "who", "state", "started", "progress"),
    keys=KEYS,
    name="id",
    wide=("finished", "host", "pid", "message"),
    sort=None,
    formats={"progress": _advance},
)


@click.group(cls=Group)
def task() -> None:
    """Work that takes long: what runs, what ran, and who did it."""


@task.command("list")
@list_options
@pass_app
def list_(app: App) -> None:
    """List the tasks of the last seven days, the newest last.

    Work that ends within a second is no task. A user sees the system's tasks, too, if they may be read. The states are
    running, finished, failed, cancelled, and lost: then the process is gone, and nobody undid what was half done.

    \b
    Examples:
      kimchictl task list
      kimchictl task list --filter state=running -o name
    """
    from kimchictl.actions.host.tasks import tasks

    found, problems = tasks(app.tasks)
    for problem in problems:
        app.note(problem)
    app.emit_list(found, TASKS)


@task.command()
@name_argument("task", metavar="ID")
@pass_app
def show(app: App, name: str) -> None:
    """Show one task. The first characters of its id are enough, here as everywhere.

    \b
    Examples:
      kimchictl task show 1a2b
      kimchictl task show 1a2b -o json
    """
    from kimchictl.actions.host.tasks import task

    app.emit(task(app.tasks, name), TASKS)


@task.command()
@names_argument("task")
@click.option("--timeout", type=DURATION, metavar="TIME", help="How long at most, like 10m; exit status 8 after that.")
@pass_app
def wait(app: App, names: tuple[str, ...], timeout: float | None) -> int:
    """Wait until tasks are over. The exit status is 0 only if they finished.

    \b
    Examples:
      kimchictl task wait 1a2b
      kimchictl task wait 1a2b --timeout 10m
    """
    from kimchictl.actions.host.tasks import wait

    return app.each(names, lambda name: wait(app.tasks, name, timeout))[1]


@task.command()
@names_argument("task")
@click.option(
    "--timeout", type=DURATION, default=60.0, metavar="TIME", help="How long to wait for what is undone (60s)."
)
@pass_app
def cancel(app: App, names: tuple[str, ...], timeout: float) -> int:
    """End tasks, and wait until what was half done is undone.

    Their process gets a SIGTERM, after making sure that it is still the one that does the work.

    \b
    Examples:
      kimchictl task cancel 1a2b
      kimchictl task cancel 1a2b 3c4d --timeout 1m
    """
    from kimchictl.actions.host.tasks import cancel

    def one(name: str) -> None:
        ended = cancel(app.tasks, name, timeout, app.note)
        app.note(f"task {ended.id!r} ({ended.what}) is {ended.state}")

    return app.each(names, one)[1]
