"""`kimchictl vm start stop reboot reset suspend resume autostart`"""

from collections.abc import Callable

import click

from kimchictl.app import App
from kimchictl.commands.again import again
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.values import DURATION
from kimchictl.commands.vm.chosen import vms_argument
from kimchictl.errors import UsageError
from kimchictl.virt.connection import Host
from kimchictl.virt.domain import power


def _each(app: App, names: tuple[str, ...], act: Callable[[Host, str], bool | None], done: str, already: str) -> int:
    """`act` on every VM, and a note for each: `done`, or `already` where it returned False.

    What has a word for "already" leads to a state, and can be done once more where the connection broke.
    """

    def one(name: str) -> None:
        changed = again(app, lambda: act(app.host, name)) if already else act(app.host, name)
        app.note(f"vm {name!r} {already if changed is False else done}")

    return app.each(names, one)[1]


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

    \b
    Examples:
      kimchictl vm stop web --timeout 5m
      kimchictl vm stop web --force
    """
    from kimchictl.actions.vms.wait_vm import stop as ask

    act = power.power_off if force else lambda host, name: ask(host, name, timeout)
    return _each(app, names, act, "stopped", "is already off")


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
    return _each(app, names, power.reboot, "was asked to reboot", "")


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
    return _each(app, names, power.reset, "reset", "")


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
