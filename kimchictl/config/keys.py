"""The keys of the configuration, and how a value of each is read, from TOML or from text."""

import os
from typing import Any, NamedTuple

from kimchictl.errors import Invalid
from kimchictl.units import GIB, MIB, parse_duration, parse_size


class Key(NamedTuple):
    """One key: `name` is "section.key" (or "key" at the top), `kind` how its value is read."""

    name: str
    kind: str
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "KIMCHICTL_" + self.name.replace(".", "_").upper()


KEYS = {
    key.name: key
    for key in (
        Key(
            "connect",
            "text",
            None,
            "libvirt URI or [hosts.NAME], or several with commas",
        ),
        Key("output", "choice", "table", "output format", ("table", "wide", "json", "csv", "name")),
        Key("color", "choice", "auto", "when to colour", ("auto", "always", "never")),
        Key("progress", "choice", "auto", "how to show progress", ("auto", "bar", "json", "none")),
        Key("lock_timeout", "duration", 10.0, "how long to wait for a lock"),
        Key("scan.paths", "paths", (), "directory trees of a deep scan that names none"),
        Key("scan.exclude", "list", (), "globs of names or paths that a deep scan leaves out"),
        Key("scan.cross_filesystems", "flag", False, "enter other file systems"),
        Key("scan.follow_symlinks", "flag", False, "follow symbolic links to directories"),
        Key("host.timeout", "duration", 30.0, "how long each of several hosts may take"),
        Key("pool.timeout", "duration", 5.0, "how long a storage pool may take to be refreshed"),
        Key("vm.virt_type", "choice", "auto", "kvm, qemu, or kvm where it works", ("auto", "kvm", "qemu")),
        Key(
            "vm.media",
            "choice",
            "auto",
            "boot a remote image as a stream or fetch it first",
            ("auto", "stream", "fetch"),
        ),
        Key("template.memory", "mebibytes", None, "memory in MiB where neither template nor system says"),
        Key("template.vcpus", "number", None, "virtual CPUs, likewise"),
        Key("template.disk_size", "gibibytes", None, "size of the first disk in GiB, likewise"),
        Key("template.disk_format", "text", None, "format of disks"),
        Key("template.pool", "text", None, "storage pool of disks"),
        Key("template.network", "text", None, "network, bridge=NAME or user"),
        Key("template.graphics", "text", None, "vnc, spice or none, with ,ADDRESS if wanted"),
        Key("template.firmware", "choice", None, "firmware", ("bios", "uefi")),
        Key("template.cpu", "text", None, "CPU model"),
        Key("stats.interval", "duration", 5.0, "seconds between two rounds of `stats collect`"),
        Key("net.timeout", "duration", 15.0, "deadline of one probe of a URL"),
        Key("net.ca_file", "path", None, "certificate bundle to trust besides the system's"),
        Key("net.netrc", "path", None, "names and passwords of servers; ~/.netrc if unset"),
        Key("distro.timeout", "duration", 30.0, "deadline of one entry in `distro check`"),
    )
}


def convert(key: Key, value: Any, where: str) -> Any:
    """`value` as `key` wants it, whether it came as TOML or as text. Raises Invalid naming key, value and source."""
    try:
        return _CONVERTERS[key.kind](key, value)
    except (Invalid, ValueError, TypeError) as error:
        raise Invalid(f"{where}: {key.name} = {value!r}: {error}") from None


def _text(_key: Key, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid("must be a text")
    return value


def _choice(key: Key, value: Any) -> str:
    if value not in key.choices:
        raise Invalid(f"must be one of {', '.join(key.choices)}")
    return str(value)


def _flag(_key: Key, value: Any) -> bool:
    folded = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(str(value).lower())
    if folded is None:
        raise Invalid("must be true or false")
    return folded


def _list(_key: Key, value: Any) -> tuple[str, ...]:
    items = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise Invalid("must be a list of texts")
    return tuple(item for item in items if item)


def _paths(key: Key, value: Any) -> tuple[str, ...]:
    return tuple(_path(key, item) for item in _list(key, value))


def _path(key: Key, value: Any) -> str:
    if not os.path.isabs(_text(key, value)):
        raise Invalid("must be an absolute path")
    return str(value)


def _duration(_key: Key, value: Any) -> float:
    if isinstance(value, bool):
        raise Invalid("must be a duration")
    return parse_duration(str(value))


def _number(_key: Key, value: Any) -> int:
    if (
        isinstance(value, bool)
        or not str(value).isascii()
        or not str(value).isdigit()
        or not 0 < int(str(value)) < 1 << 31
    ):
        raise Invalid("must be a whole number above 0")
    return int(value)


def _sized(unit: int) -> Any:
    def read(_key: Key, value: Any) -> int:
        if isinstance(value, bool):
            raise Invalid("must be a size")
        return parse_size(str(value), bare=unit) // unit

    return read


_CONVERTERS = {
    "text": _text,
    "choice": _choice,
    "flag": _flag,
    "list": _list,
    "paths": _paths,
    "path": _path,
    "duration": _duration,
    "number": _number,
    "mebibytes": _sized(MIB),
    "gibibytes": _sized(GIB),
}
