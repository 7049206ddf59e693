"""One command on several hosts: `-c a,b` and `--all-hosts` for lists, scans, statistics and checks.

    @pass_app
    @on_hosts()
    def list_(app: App) -> ...

The command itself knows one host. Here it runs once for each, all at a time, on threads that do not keep the process
from ending; what each would print is put together, with the name of its host. A host that does not answer costs the
others nothing: it is named with the reason, and the exit status is 7.
"""

import functools
from collections.abc import Callable
from typing import Any

import click

from kimchictl.app import App, exit_status
from kimchictl.commands.again import again
from kimchictl.errors import HostError, KimchiError, TimedOut, UsageError
from kimchictl.query import sort_rows

CHANGES_FOUND = 10
CHECK_PATIENCE = 60.0  # seconds; guests are started to try what works
SCAN_PATIENCE = 1800.0  # seconds; images may be read through a slow line


def on_hosts(seconds: float | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command --all-hosts, and lets -c name several. Each has `seconds`, or what host.timeout says."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(app: App, *arguments: Any, **options: Any) -> Any:
            if not app.several_hosts:
                return function(app, *arguments, **options)
            return _run_all(app, lambda one: function(one, *arguments, **options), seconds)

        return _all_hosts_option(run)

    return decorate


def _all_hosts_option(function: Callable[..., Any]) -> Callable[..., Any]:
    def keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.find_root().obj.options.all_hosts = True

    text = "On every [hosts.NAME] of the configuration."
    return click.option("--all-hosts", is_flag=True, expose_value=False, callback=keep, help=text)(function)


def _run_all(app: App, command: Callable[[App], Any], seconds: float | None) -> int:
    """`command` on each host at once; one list of what they found. The exit status of all together."""
    from kimchictl.virt.deadlines import all_within

    parts = app.on_each_host()
    patience = seconds or float(app.config["host.timeout"])
    statuses = []
    results = all_within(patience, {name: functools.partial(_run, part, command) for name, part in parts.items()})
    for name, result in results.items():
        if isinstance(result, Exception):
            error = _failure(result, patience)
            parts.pop(name).report(error)
            statuses.append(error.exit_status)
        else:
            statuses.append(result)
    _emit(app, parts)
    failures = [status for status in statuses if status not in (0, CHANGES_FOUND)]
    return exit_status(len(results), failures) if failures else max(statuses)


def _run(app: App, command: Callable[[App], Any]) -> int:
    with app:
        status = again(app, lambda: command(app))
    return status if isinstance(status, int) else 0


def _failure(error: Exception, patience: float) -> KimchiError:
    """`error` as what a host is said to have done. What is no failure of that host alone is raised."""
    if isinstance(error, UsageError) or not isinstance(error, KimchiError):
        raise error
    if isinstance(error, TimedOut):
        return HostError(f"it did not answer in {patience:g} s", "is the host up? host.timeout gives it longer")
    return error


def _emit(app: App, parts: dict[str, App]) -> None:
    """What all hosts found, as one list, in the order in which they were named."""
    emitted = [(name, rows, view) for name, part in parts.items() for rows, view in part.emitted or ()]
    if not emitted:
        return
    rows = []
    for name, some, view in emitted:
        ordered = sort_rows(some, view.sort, view.keys) if view.sort else some
        rows += [{"host": name, **{key: row[key] for key in row if key != "host"}} for row in ordered]
    view = emitted[0][2]
    chosen = next((part.options.columns for part in parts.values()), ())
    if chosen != app.options.columns:  # the command's own choice
        app.options.columns = _with_host(chosen)
    app.emit_list(
        rows, view._replace(columns=_with_host(view.columns), keys=_with_host(view.keys), sort=None, ready=True)
    )


def _with_host(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("host", *(name for name in names if name != "host"))
