"""The global options of the command line: what was said, wherever it stood."""

from typing import Any


class Options:
    """The global options; None is "not said", so that the configuration counts. Made of keywords; all may be set."""

    connect: str | None = None
    all_hosts: bool = False
    password_fd: int | None = None
    output: str | None = None
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    color: str | None = None
    progress: str | None = None
    lock_timeout: float | None = None
    columns: tuple[str, ...] = ()
    sort: str | None = None
    filters: tuple[str, ...] = ()
    ca_file: str | None = None

    def __init__(self, **said: Any) -> None:
        for name, value in said.items():
            setattr(self, name, value)

    def for_config(self) -> dict[str, Any]:
        """Those that are configuration keys too, by key name."""
        names = ("connect", "output", "color", "progress", "lock_timeout")
        return {**{name: getattr(self, name) for name in names}, "net.ca_file": self.ca_file}
