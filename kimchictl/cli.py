"""The root of the command line: names its groups as strings, and turns every error into an exit status, once."""

# signal without its enumerations, which take longer to make than a command line to read.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import FrameType
from typing import Any

import click

from kimchictl import __version__
from kimchictl.app import App
from kimchictl.commands.base import Group
from kimchictl.commands.globals import ending
from kimchictl.errors import Failed, KimchiError, UsageError
from kimchictl.render import say, say_error

GROUPS = {
    "iso": ("kimchictl.commands.iso:iso", "Find images and name the system on each."),
    "distro": ("kimchictl.commands.distro:distro", "Known distributions, and where their images are."),
    "template": ("kimchictl.commands.template:template", "Templates: what VMs are made from."),
    "vm": ("kimchictl.commands.vm:vm", "Virtual machines, those that kimchictl did not make too."),
    "pool": ("kimchictl.commands.pool:pool", "Storage pools, refreshed whenever they are listed."),
    "volume": ("kimchictl.commands.volume:volume", "Storage volumes: disks and images in storage pools."),
    "network": ("kimchictl.commands.network:network", "Virtual networks of the host."),
    "host": ("kimchictl.commands.host:host", "The host itself: what it is and what it can do."),
    "stats": ("kimchictl.commands.stats:stats", "What the host and its virtual machines use, now and over time."),
    "task": ("kimchictl.commands.task:task", "Work that takes long: what runs, what ran, and who did it."),
    "config": ("kimchictl.commands.config:config", "The configuration and where it comes from."),
    "completion": ("kimchictl.commands.completion:completion", "Print the completion script of a shell."),
    "help": ("kimchictl.commands.help:help_", "Explain a command, or a subject: output, filters, exit-status, places."),
}

COMPLETE = "_KIMCHICTL_COMPLETE"  # the environment variable that a shell's completion sets


class Terminated(BaseException):
    """SIGTERM arrived: like KeyboardInterrupt, so that everything half-done is undone on the way out."""


@click.group(
    "kimchictl",
    cls=Group,
    members=GROUPS,
    show_globals=True,
    context_settings={"max_content_width": 100},
)
@click.option("--version", help="Show the version and exit.", **ending(lambda _: f"kimchictl {__version__}"))
def kimchictl() -> None:
    """Find the images on a host, name the system on each, make templates of them and VMs of the templates.

    \b
    First steps:
      kimchictl host check                      what the host still lacks, and what mends it
      kimchictl pool create default --type dir --path /var/lib/libvirt/images --start
      kimchictl iso scan --deep PATH            which images are there
      kimchictl template create --from-scan     a template of each
      kimchictl vm create --template NAME --start
    """


def main(argv: list[str] | None = None) -> int:
    """Run one command line (`argv` without the program's name; default sys.argv) and return its exit status."""
    app = App()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        with _sigterm(), app:
            if argv is None and COMPLETE in os.environ:
                return _complete(app)
            status = _run(app, words)
            _flush()
            return status
    except KimchiError as error:
        return _fail(app, error, words)
    except click.exceptions.Abort:
        return _interrupted(130)
    except click.ClickException as error:
        return _fail(app, _usage_error(error), words)
    except KeyboardInterrupt:
        return _interrupted(130)
    except Terminated:
        return _interrupted(143)
    except BrokenPipeError:
        return _closed()
    except Exception as error:
        hint = "this is a mistake in kimchictl; --debug shows where"
        return _fail(app, Failed(f"unexpected {type(error).__name__}: {error}", hint), words)


def _complete(app: App) -> int:
    """A shell asks for completions through the environment; the module that answers is loaded for it alone."""
    from kimchictl.commands.names import answer

    return answer(kimchictl, app, os.environ[COMPLETE])


def _run(app: App, argv: list[str]) -> int:
    """Parse and run; click's own exceptions come through. The exit status is what the callback returned."""
    try:
        with kimchictl.make_context("kimchictl", argv, obj=app) as context:
            result = kimchictl.invoke(context)
    except click.exceptions.Exit as ended:  # --help, --version
        return ended.exit_code
    return result if isinstance(result, int) else 0


def _fail(app: App, error: KimchiError, words: list[str]) -> int:
    app.options.output = app.options.output or _output_of(words)
    say_error(error, app.errors_as_json)
    if app.options.debug:
        import traceback

        traceback.print_exc()
    try:
        _flush()
    except (BrokenPipeError, KimchiError):
        return error.exit_status
    return error.exit_status


def _usage_error(error: click.ClickException) -> KimchiError:
    """click's message as ours: one line, lower case, no full stop, and where to look."""
    message = error.format_message().rstrip(".").replace("\n\t", " ")  # a list of choices is a line each
    context = getattr(error, "ctx", None)
    hint = f"see {context.command_path} --help" if context is not None else None
    if context is not None and isinstance(error, click.NoSuchOption):
        return _no_such_option(message, context, error.option_name)
    return UsageError(message[:1].lower() + message[1:], hint)


def _no_such_option(message: str, context: click.Context, option: str) -> KimchiError:
    from kimchictl.commands.elsewhere import option_here

    if here := option_here(context.command_path, option):
        return UsageError(f"no such option {option!r}", here)
    hint = f"see {context.command_path} --help"
    if not option.startswith("--") and any(isinstance(each, click.Argument) for each in context.command.params):
        hint += "; a name that begins with a hyphen goes behind --"
    return UsageError(message[:1].lower() + message[1:], hint)


def _output_of(words: list[str]) -> str | None:
    """ "json" where `words` ask for it. click reads no option of a command line in which it knows one not."""
    apart = any(option in ("-o", "--output") and value == "json" for option, value in pairwise(words))
    return "json" if apart or {"-ojson", "--output=json"}.intersection(words) else None


def _interrupted(status: int) -> int:
    say("kimchictl: interrupted" if status == 130 else "kimchictl: terminated")
    return status


def _flush() -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_stdout()
        raise Failed(f"standard output cannot be written: {error.strerror}") from None


def _closed() -> int:
    """Nobody reads any more: end quietly, as SIGPIPE would (128 + 13)."""
    _discard_stdout()
    return 141


def _discard_stdout() -> None:
    """Keep the interpreter's own flush at exit from complaining about what could not be written."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        return


@contextmanager
def _sigterm() -> Iterator[None]:
    """Turn SIGTERM into Terminated for the time of one command; only a process's main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(_number: int, _frame: FrameType | None) -> Any:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former if former is not None else signal.SIG_DFL)
