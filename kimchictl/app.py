"""App: what a command is handed. Configuration, stores, index, connection and output, each built on first use.

Options   what the global options said, wherever on the command line they stood
App       lazily built parts, closed in reverse order when the command ends; knows nothing of click
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from kimchictl import config as configuration
from kimchictl import render
from kimchictl.errors import KimchiError, UsageError
from kimchictl.options import Options

if TYPE_CHECKING:
    from kimchictl.media.index import Index
    from kimchictl.progress import Progress
    from kimchictl.render import View
    from kimchictl.store import FileStore
    from kimchictl.virt.connection import Host

Result = TypeVar("Result")


class App:
    """One run of one command. Use as a context: what was opened is closed at the end."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.closing = ExitStack()

    def __enter__(self) -> "App":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.closing.__exit__(*exception)

    # -- what is configured

    @cached_property
    def config(self) -> configuration.Config:
        config = configuration.load(os.environ, self.options.for_config())
        for name in config.unknown:
            self.note(f"unknown configuration key {name}")
        return config

    @property
    def places(self) -> configuration.Places:
        return self.config.places

    # -- what is kept

    def store(self, kind: str) -> "FileStore":
        """The documents of `kind` ("templates", "distros", "rules") in all layers."""
        from kimchictl.store import FileStore, Layer

        site = "user" if len(self.places.config_dirs) > 1 else "site"
        layers = [Layer(os.path.join(path, kind), "package", False) for path in self.places.data_dirs]
        layers += [Layer(os.path.join(path, kind), "site", False) for path in self.places.config_dirs[:-1]]
        layers.append(Layer(os.path.join(self.places.own_config, kind), site, True))
        return FileStore(kind, layers, self.config["lock_timeout"])

    @cached_property
    def templates(self) -> "FileStore":
        return self.store("templates")

    @cached_property
    def distros(self) -> "FileStore":
        return self.store("distros")

    @cached_property
    def rules(self) -> "FileStore":
        return self.store("rules")

    @cached_property
    def index(self) -> "Index":
        from kimchictl.media.index import Index

        return Index(self.places.state_dirs, self.config["lock_timeout"])

    @cached_property
    def tasks(self) -> "FileStore":
        from kimchictl.actions.tasks import task_store

        return task_store(self.places.state_dirs, self.config["lock_timeout"])

    def task(self, what: str, host: str | None = None) -> AbstractContextManager["Progress"]:
        """`with app.task("deep scan of /srv") as progress:` long work, for others to see and to cancel."""
        from kimchictl.actions.recording import recording

        return recording(self.tasks, what, self.progress, host)

    # -- the host

    @cached_property
    def host(self) -> "Host":
        """The connection, opened now. Raises HostError."""
        from kimchictl.virt.connection import open_host

        return self.closing.enter_context(open_host(self.host_uri, note=self.note))

    @property
    def host_uri(self) -> str | None:
        """What -c, the environment or the configuration say; None is libvirt's own default."""
        named = self.config["connect"] or os.environ.get("LIBVIRT_DEFAULT_URI") or None
        if named is None or "://" in named or ":///" in named or named.startswith("test:"):
            return named
        host = self.config.hosts.get(named)
        if not isinstance(host, dict) or not isinstance(host.get("uri"), str):
            known = ", ".join(self.config.hosts) or "none"
            raise UsageError(
                f"{named!r} is neither a connection URI nor a configured host", f"configured hosts: {known}"
            )
        return str(host["uri"])

    @property
    def remote_host(self) -> str | None:
        """The host's URI where it is not this machine, else None: as `Image.host` has it."""
        uri = self.host_uri
        if uri is None:
            return None
        from kimchictl.virt.connection import is_local

        return None if is_local(uri) else uri

    # -- what is said and asked

    @property
    def format(self) -> str:
        return str(self.config["output"])

    def emit_list(self, records: Iterable[Any], view: "View") -> None:
        """Print a list on stdout, filtered, sorted and formatted as the options ask."""
        render.emit_list(records, view, self.format, self.options)

    def emit(self, record: Any, view: "View") -> None:
        """Print one object on stdout."""
        render.emit(record, view, self.format, self.options)

    def note(self, message: str) -> None:
        """A sentence for a person, on stderr; `-q` silences it."""
        if not self.options.quiet:
            render.say(message)

    def detail(self, message: str) -> None:
        """A sentence for a person who gave `-v`."""
        if self.options.verbose:
            render.say(message)

    def report(self, error: KimchiError) -> None:
        """Say an error that does not end the command."""
        render.say_error(error, as_json=self.options.output == "json")

    @cached_property
    def progress(self) -> "Progress":
        shown = "none" if self.options.quiet else str(self.config["progress"])
        from kimchictl.render.progress import choose

        receiver = choose(shown, render.is_terminal(sys.stderr), self.note, self.detail)
        self.closing.callback(receiver.close)
        return receiver

    def each(
        self, names: Sequence[str], action: Callable[[str], Result], missing_ok: bool = False
    ) -> tuple[list[Result], int]:
        """`action` for every name, going on after a failure: (results, exit status).

        All failed alike: that status; some, or differently: 7. With `missing_ok` a NotFound is no failure.
        """
        results: list[Result] = []
        failures: list[int] = []
        for name in names:
            try:
                results.append(action(name))
            except KimchiError as error:
                if missing_ok and error.code == "not_found":
                    continue
                self.report(error)
                failures.append(error.exit_status)
        return results, exit_status(len(names), failures)

    def confirm(self, question: str, yes: bool) -> None:
        """Ask on a terminal unless `yes`. Raises UsageError without a terminal, KeyboardInterrupt on a no."""
        if yes:
            return
        if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
            raise UsageError(f"{question} needs --yes, as there is no terminal to ask on")
        render.say(question + " [y/N] ", end="")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise KimchiError("nothing was changed")


def exit_status(attempts: int, failures: Sequence[int]) -> int:
    """0, the one status that all `attempts` failed with, or 7."""
    if not failures:
        return 0
    return failures[0] if len(failures) == attempts and len(set(failures)) == 1 else 7
