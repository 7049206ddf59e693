"""The configuration: files, then environment, then options; and the places where things are kept.

Every command loads this module, so its records are tuples and plain classes: a frozen dataclass costs ten times as much
to define.

    KEYS     every key, its kind, default and meaning: the one definition of reading, `config show` and the manual
    Places   directories by purpose, lowest layer first; the last one is the caller's own, the one that is written
    Config   the values and where each came from, frozen
    hosts    which libvirt hosts are meant

Values come from /etc/kimchi/kimchictl.toml, then the user's own file, then KIMCHICTL_SECTION_KEY, then options.
"""

import os
from collections.abc import Mapping
from typing import Any

from kimchictl.config.keys import KEYS, Key, convert
from kimchictl.config.places import Places, find_places
from kimchictl.errors import Damaged, Invalid

__all__ = ["FILE_NAME", "KEYS", "Config", "Key", "Places", "find_places", "load"]

FILE_NAME = "kimchictl.toml"
_FREE_SECTIONS = ("hosts", "mirrors")


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
                values[name], origins[name] = convert(KEYS[name], value, path), path
            else:
                unknown.append(f"{path}: {name}")
    for key in KEYS.values():
        if key.variable in environ:
            values[key.name] = convert(key, environ[key.variable], key.variable)
            origins[key.name] = key.variable
    variables = {key.variable for key in KEYS.values()}
    unknown += sorted(name for name in environ if name.startswith("KIMCHICTL_") and name not in variables)
    for name, value in (options or {}).items():
        if value is not None:
            values[name], origins[name] = value, "option"
    return Config(places, values, origins, free["hosts"], free["mirrors"], tuple(unknown))


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
