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
from kimchictl.config.hosts import split_hosts, uri_of
from kimchictl.errors import Disconnected, KimchiError, UsageError
from kimchictl.options import Options
from kimchictl.query import plain

if TYPE_CHECKING:
    from kimchictl.media.scan.index import Index
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
        self._host: Host | None = None
        self.only_reads = False  # what the command does needs no right to change anything
        self.repeatable = False  # ... and can be done once more as a whole
        self._all_failed = False  # of the names that were gone through
        self.host_name: str | None = None  # where this is one of several hosts: what it is called
        self.emitted: list[tuple[list[Any], View]] | None = None  # ... and what it would print

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
        self.options.color = str(config["color"])
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
        from kimchictl.media.scan.index import Index

        return Index(self.places.state_dirs, self.config["lock_timeout"])

    @cached_property
    def tasks(self) -> "FileStore":
        from kimchictl.actions.host.tasks import task_store

        return task_store(self.places.state_dirs, self.config["lock_timeout"])

    def task(self, what: str, host: str | None = None) -> AbstractContextManager["Progress"]:
        """`with app.task("deep scan of /srv") as progress:` long work, for others to see and to cancel."""
        from kimchictl.actions.host.recording import recording

        return recording(self.tasks, what, self.progress, host)

    # -- the host

    @property
    def host(self) -> "Host":
        """The connection, opened at first. Raises HostError."""
        # No cached_property: its lock, until Python 3.12, is one for all Apps, and a host that hangs would hold it.
        if self._host is None:
            self._host = self.closing.enter_context(self.connect())
        return self._host

    def still_connected(self) -> bool:
        """False where a connection was open and broke; True where it is, or never was."""
        return self._host is None or self._host.is_alive

    def reconnect(self) -> None:
        """A new connection for one that broke. Raises HostError."""
        self._host = None
        self._host = self.closing.enter_context(self.connect())

    def connect(self, readonly: bool = False) -> "Host":
        """A connection of one's own. Of several hosts none asks for a password: they would all ask at once."""
        from kimchictl.virt.connection import open_host

        alone = self.host_name is None
        host = open_host(
            self.host_uri,
            readonly=readonly,
            reading=self.only_reads,
            timeout=None if alone else float(self.config["host.timeout"]),
            note=self.note,
            prompt=alone,
            password=self.password,
        )
        host.lock_timeout = float(self.config["lock_timeout"])
        return host

    @cached_property
    def password(self) -> tuple[str, ...]:
        """What --password-fd holds: a password, or a user name and one; () without it. Raises UsageError."""
        if self.options.password_fd is None:
            return ()
        from kimchictl.virt.credentials import read_password

        return read_password(self.options.password_fd)

    @property
    def several_hosts(self) -> bool:
        """Whether the command line names more than one host."""
        return self.options.all_hosts or len(self._named_hosts()) > 1

    def on_each_host(self) -> "dict[str, App]":
        """An App for each host that is named, by its name; what they emit they keep. Raises UsageError."""
        names = tuple(self.config.hosts) if self.options.all_hosts else self._named_hosts()
        if not names:
            raise UsageError("no hosts are configured", 'a section [hosts.NAME] with uri = "..." makes one')
        return {name: self._on_host(name) for name in dict.fromkeys(names)}

    def _on_host(self, name: str) -> "App":
        options = Options(**vars(self.options))
        options.connect, options.all_hosts, options.progress = name, False, "none"
        part = App(options)
        part.host_name, part.emitted, part.only_reads = name, [], self.only_reads
        part.repeatable = self.repeatable
        part.password = self.password  # a descriptor can be read once
        part.config = configuration.load(os.environ, options.for_config())  # what is wrong with it was said already
        _ = part.host_uri  # a name that nobody knows is wrong usage, before anything is done
        return part

    def _named_hosts(self) -> tuple[str, ...]:
        return split_hosts(self.config["connect"] or "", self.config.hosts)

    @property
    def host_uri(self) -> str | None:
        """What -c, the environment or the configuration say; None is libvirt's own default."""
        if self.several_hosts:
            raise UsageError("this works on one host at a time", "name one with -c; lists, scans and checks take more")
        named = self.config["connect"] or os.environ.get("LIBVIRT_DEFAULT_URI") or None
        return None if named is None else uri_of(named, self.config.hosts)

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

    @property
    def errors_as_json(self) -> bool:
        """Whether errors are objects: by the option alone where the configuration is what is wrong."""
        try:
            return self.format == "json"
        except KimchiError:
            return self.options.output == "json"

    def check_selection(self, view: "View") -> None:
        """Raises UsageError for filters, columns or an order that `view` does not know: before work that takes long."""
        if self.emitted is None:
            render.check_selection(view, self.options)

    def emit_list(self, records: Iterable[Any], view: "View") -> None:
        """Print a list on stdout, filtered, sorted and formatted as the options ask.

        Nothing where it is empty as all failed: an empty list would say that there is none.
        """
        if self._all_failed and not (records := list(records)):
            return
        if self.emitted is not None:
            self.emitted.append(([plain(record) for record in records], view))
            return
        render.emit_list(records, view, self.format, self.options)

    def emit(self, record: Any, view: "View") -> None:
        """Print one object on stdout."""
        if self.emitted is not None:
            self.emitted.append(([plain(record)], view))
            return
        render.emit(record, view, self.format, self.options)

    def note(self, message: str) -> None:
        """A sentence for a person, on stderr; `-q` silences it."""
        if not self.options.quiet:
            render.say(self._named(message))

    def detail(self, message: str) -> None:
        """A sentence for a person who gave `-v`."""
        if self.options.verbose:
            render.say(self._named(message))

    def _named(self, message: str) -> str:
        return message if self.host_name is None else f"{self.host_name}: {message}"

    def report(self, error: KimchiError) -> None:
        """Say an error that does not end the command."""
        if self.host_name is not None:
            error = type(error)(self._named(str(error)), error.hint)
        render.say_error(error, as_json=self.errors_as_json)

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
                if self.repeatable and isinstance(error, Disconnected):
                    raise
                self.report(error)
                failures.append(error.exit_status)
        self._all_failed = bool(failures) and len(failures) == len(names)
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
