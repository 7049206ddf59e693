"""`kimchictl vm start stop reboot reset suspend resume autostart`"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from kimchictl.actions.vms.side_by_side import SideBySide
from kimchictl.app import App
from kimchictl.commands.again import again
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.values import DURATION
from kimchictl.commands.vm.chosen import vms_argument
from kimchictl.errors import KimchiError, TimedOut, UsageError
from kimchictl.virt.connection import Host
from kimchictl.virt.domain import power

Result = TypeVar("Result", bound=bool | None)


def _each(app: App, names: tuple[str, ...], act: Callable[[Host, str], Result], done: str, already: str = "") -> int:
    """`act` on every VM, side by side, and a note for each: `done`, or `already` where it returned False."""
    begun = SideBySide(lambda: app.host, names, act)
    return _told(app, names, begun, begun.result, done, already, done)


def _told(
    app: App,
    names: Sequence[str],
    begun: SideBySide[Result],
    finish: Callable[[str], Result],
    done: str,
    already: str,
    so_far: str,
) -> int:
    """`finish` for every name in its order, and a note for each. At a Ctrl-C what others have done is `so_far`."""
    left = list(names)

    def one(name: str) -> None:
        try:
            changed = again(app, lambda: finish(name), name)
            app.note(f"vm {name!r} {already if changed is False else done}")
        except KimchiError:
            left.remove(name)
            raise
        left.remove(name)

    with _accounting(app, begun, left, so_far):
        return app.each(names, one)[1]


@contextmanager
def _accounting(app: App, begun: SideBySide[Result], left: Sequence[str], done: str) -> Iterator[None]:
    """Say at a Ctrl-C, or a SIGTERM, what came of those that are `left`: it was too late for what had begun."""
    try:
        yield
    except BaseException:
        for name, outcome in begun.outcomes(left):
            if isinstance(outcome, TimedOut):
                app.note(f"vm {name!r}: libvirt is at it yet, and goes on")
            elif isinstance(outcome, KimchiError):
                app.report(outcome)
            elif outcome is not False:
                app.note(f"vm {name!r} {done}")
        raise


@click.command(cls=Command)
@vms_argument
@click.option("--console", is_flag=True, help="Attach to its console before it boots.")
@pass_app
def start(app: App, names: tuple[str, ...], console: bool) -> int:
    """Start VMs.

    \b
    Examples:
      kimchictl vm start web db
      kimchictl vm start web --console
    """
    if not console:
        return _each(app, names, power.start, "started", "is already running")
    if len(names) != 1:
        raise UsageError("--console needs exactly one VM")
    from kimchictl.commands.vm.console import show_console

    resumed = power.start(app.host, names[0], paused=True)
    show_console(app, names[0], force=False, resumed=resumed)
    return 0


@click.command(cls=Command)
@vms_argument
@click.option("--force", is_flag=True, help="Cut the power.")
@click.option("--timeout", type=DURATION, default="60s", show_default=True, help="How long to wait for the guest.")
@pass_app
def stop(app: App, names: tuple[str, ...], force: bool, timeout: float) -> int:
    """Ask VMs to shut down, and wait until they are off; or cut their power.

    Several are all asked at first: --timeout is for all together.

    \b
    Examples:
      kimchictl vm stop web --timeout 5m
      kimchictl vm stop web --force
    """
    from kimchictl.actions.vms.wait_vm import wait_off

    if force:
        return _each(app, names, power.power_off, "stopped", "is already off")
    begun = SideBySide(lambda: app.host, names, power.ask_to_stop)
    end = [0.0]

    def finish(name: str) -> bool:
        if not end[0]:
            begun.settle()  # all are asked before the first is waited for
            end[0] = time.monotonic() + timeout
        return begun.result(name) and wait_off(app.host, name, timeout, end[0])

    return _told(app, names, begun, finish, "stopped", "is already off", "was asked to stop")


@click.command(cls=Command)
@vms_argument
@pass_app
def reboot(app: App, names: tuple[str, ...]) -> int:
    """Ask VMs to reboot.

    \b
    Examples:
      kimchictl vm reboot web
      kimchictl vm reboot --all
    """
    return _each(app, names, power.reboot, "was asked to reboot")


@click.command(cls=Command)
@vms_argument
@pass_app
def reset(app: App, names: tuple[str, ...]) -> int:
    """Press the reset button of VMs: they start anew without shutting down.

    \b
    Examples:
      kimchictl vm reset web
      kimchictl vm reset --filter state=paused
    """
    return _each(app, names, power.reset, "reset")


@click.command(cls=Command)
@vms_argument
@pass_app
def suspend(app: App, names: tuple[str, ...]) -> int:
    """Pause VMs; they keep their memory.

    \b
    Examples:
      kimchictl vm suspend web db
      kimchictl vm suspend --all
    """
    return _each(app, names, power.suspend, "suspended", "is already suspended")


@click.command(cls=Command)
@vms_argument
@pass_app
def resume(app: App, names: tuple[str, ...]) -> int:
    """Let paused VMs run on.

    \b
    Examples:
      kimchictl vm resume web
      kimchictl vm resume --filter state=paused
    """
    return _each(app, names, power.resume, "resumed", "is already running")


@click.command(cls=Command)
@vms_argument
@click.option("--off", is_flag=True, help="Do not start them with the host.")
@pass_app
def autostart(app: App, names: tuple[str, ...], off: bool) -> int:
    """Start VMs with the host, or not.

    \b
    Examples:
      kimchictl vm autostart web
      kimchictl vm autostart web --off
    """
    what = "does not start with the host" if off else "starts with the host"
    already = f"{what} already" if not off else what
    return _each(app, names, lambda host, name: power.set_autostart(host, name, not off), what, already)
