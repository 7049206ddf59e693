"""Where things are kept: directories by purpose, for root and for users, and what overrides them."""

import os
import pwd
import sys
from collections.abc import Mapping
from typing import NamedTuple


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
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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
