"""The configuration: files, then environment, then options; and the places where things are kept.

Every command loads this module, so its records are tuples and plain classes: a frozen dataclass costs ten times as much
to define.

    KEYS     every key, its kind, default and meaning: the one definition of reading, `config show` and the manual
    Places   directories by purpose, lowest layer first; the last one is the caller's own, the one that is written
    Config   the values and where each came from, frozen

Values come from /etc/kimchi/kimchictl.toml, then the user's own file, then KIMCHICTL_SECTION_KEY, then options.
"""

import os
import pwd
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from kimchictl.errors import Damaged, Invalid
from kimchictl.units import GIB, MIB, parse_duration, parse_size

FILE_NAME = "kimchictl.toml"


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

_FREE_SECTIONS = ("hosts", "mirrors")


class Places(NamedTuple):
    """Directories, lowest layer first; the last of `config_dirs` and `state_dirs` is the one that is written.

    `run_dir` is for locks that need not outlive a boot.
    """

    data_dirs: tuple[str, ...]
    config_dirs: tuple[str, ...]
    state_dirs: tuple[str, ...]
    cache_dir: str
    run_dir: str

    @property
    def own_config(self) -> str:
        return self.config_dirs[-1]

    @property
    def own_state(self) -> str:
        return self.state_dirs[-1]


class Config:
    """`config["vm.virt_type"]` is a value; `origins` says file, variable, "option" or "default" of each key.

    `hosts` and `mirrors` are the free sections, `unknown` are keys nobody knows. Not to be changed once made.
    """

    __slots__ = ("hosts", "mirrors", "origins", "places", "unknown", "values")

    def __init__(
        self,
        places: Places,
        values: Mapping[str, Any],
        origins: Mapping[str, str],
        hosts: Mapping[str, Mapping[str, Any]],
        mirrors: Mapping[str, str],
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.places, self.values, self.origins = places, values, origins
        self.hosts, self.mirrors, self.unknown = hosts, mirrors, unknown

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def load(environ: Mapping[str, str], options: Mapping[str, Any] | None = None) -> Config:
    """Read the configuration. `options` maps key names to values already parsed. Raises Invalid, Damaged."""
    places = find_places(environ)
    values = {key.name: key.default for key in KEYS.values()}
    origins = dict.fromkeys(values, "default")
    free: dict[str, dict[str, Any]] = {name: {} for name in _FREE_SECTIONS}
    unknown: list[str] = []
    for directory in places.config_dirs:
        path = os.path.join(directory, FILE_NAME)
        for name, value in _flatten(_read_toml(path), path):
            section, _, rest = name.partition(".")
            if section in free and rest:
                free[section][rest] = value
            elif name in KEYS:
                values[name], origins[name] = _convert(KEYS[name], value, path), path
            else:
                unknown.append(f"{path}: {name}")
    for key in KEYS.values():
        if key.variable in environ:
            values[key.name] = _convert(key, environ[key.variable], key.variable)
            origins[key.name] = key.variable
    for name, value in (options or {}).items():
        if value is not None:
            values[name], origins[name] = value, "option"
    return Config(places, values, origins, free["hosts"], free["mirrors"], tuple(unknown))


def find_places(environ: Mapping[str, str], uid: int | None = None) -> Places:
    """The directories for this user (`uid` default: the effective one); needs no HOME."""
    uid = os.geteuid() if uid is None else uid
    return Places(
        data_dirs=_override(environ, "KIMCHI_DATA_DIR") or _shipped(),
        config_dirs=_override(environ, "KIMCHI_CONFIG_DIR")
        or _layers(environ, uid, "/etc/kimchi", "XDG_CONFIG_HOME", ".config"),
        state_dirs=_override(environ, "KIMCHI_STATE_DIR")
        or _layers(environ, uid, "/var/lib/kimchi", "XDG_STATE_HOME", ".local/state"),
        cache_dir=(
            _override(environ, "KIMCHI_CACHE_DIR")
            or _layers(environ, uid, "/var/cache/kimchi", "XDG_CACHE_HOME", ".cache")
        )[-1],
        run_dir=_run_dir(environ, uid),
    )


def _run_dir(environ: Mapping[str, str], uid: int) -> str:
    """Where locks of what runs once a host lie; whoever moves the state moves them along."""
    if own := _override(environ, "KIMCHI_STATE_DIR"):
        return os.path.join(own[0], "run")
    if uid == 0:
        return "/run/kimchi"
    runtime = environ.get("XDG_RUNTIME_DIR") or ""
    if runtime.startswith("/"):
        return os.path.join(runtime, "kimchi")
    return os.path.join(_layers(environ, uid, "", "XDG_STATE_HOME", ".local/state")[-1], "run")


def _override(environ: Mapping[str, str], variable: str) -> tuple[str, ...]:
    value = environ.get(variable)
    return (os.path.abspath(value),) if value else ()


def _shipped() -> tuple[str, ...]:
    """The package's own share directory (a checkout is one too), under what other packages drop in.

    The prefix is that of the package, PREFIX/lib/python3*/site-packages/kimchictl: the interpreter's is another one
    with `pip install --user`, below /usr/local, or in a directory of its own.
    """
    packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.exists(os.path.join(packages, "pyproject.toml")):
        own = packages
    elif packages.endswith(("/site-packages", "/dist-packages")):
        own = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(packages))), "share", "kimchi")
    else:
        own = os.path.join(sys.prefix, "share", "kimchi")
    return tuple(dict.fromkeys((own, "/usr/share/kimchi")))


def _layers(environ: Mapping[str, str], uid: int, system: str, variable: str, below_home: str) -> tuple[str, ...]:
    if uid == 0:
        return (system,)
    base = environ.get(variable) or ""
    if not base.startswith("/"):  # XDG Base Directory Specification: relative paths are to be ignored
        base = os.path.join(_home(environ, uid), below_home)
    return (system, os.path.join(base, "kimchi"))


def _home(environ: Mapping[str, str], uid: int) -> str:
    home = environ.get("HOME") or ""
    if home.startswith("/"):
        return home
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/nonexistent"


def _read_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(1 << 20)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        return {}  # root's file may be root's alone; the user's own and the defaults still count
    except OSError as error:
        raise Damaged(f"configuration {path} cannot be read: {error.strerror}") from None
    import tomllib  # only where there is a file: it costs more than the rest of this module

    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"configuration {path} is not valid TOML: {error}") from None


def _flatten(table: dict[str, Any], path: str) -> list[tuple[str, Any]]:
    """(key, value) pairs; a table of a free section is one value. Raises Invalid where a section is no table."""
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            pairs += [(f"{name}.{inner}", content) for inner, content in value.items()]
        elif name in _FREE_SECTIONS:
            raise Invalid(f"{path}: {name} must be a table")
        else:
            pairs.append((name, value))
    return pairs


def _convert(key: Key, value: Any, where: str) -> Any:
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
    def convert(_key: Key, value: Any) -> int:
        if isinstance(value, bool):
            raise Invalid("must be a size")
        return parse_size(str(value), bare=unit) // unit

    return convert


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
