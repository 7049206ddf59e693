"""The doctor's look at this machine: what kimchictl keeps, what it knows, and what is to run regularly."""

import ctypes
import datetime
import glob
import os
import re
import stat
import time
from collections.abc import Iterator
from shlex import quote

from kimchictl.actions.host.collect import is_current
from kimchictl.actions.host.findings import FAIL, OK, WARN, Finding
from kimchictl.actions.host.statistics import find_journal
from kimchictl.config import Places, find_places
from kimchictl.media.naming.osinfo import installed_database
from kimchictl.media.naming.osinfo_files import directories as osinfo_trees
from kimchictl.units import MIB, format_size

_OLD = 540  # days: three releases of most distributions
_LITTLE = 200 * MIB
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_WANTED_TIMER = "/etc/systemd/system/*.wants/kimchi-scan.timer"
_CRONTABS = ("/etc/crontab", "/etc/cron.d/*", "/etc/cron.daily/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/*")


def osinfo_db() -> list[Finding]:
    """Is osinfo-db there, and how old? Its VERSION is the day it was made of."""
    install = "apt install osinfo-db, or osinfo-db-import --local --latest"
    made = max((day for tree in osinfo_trees(os.environ) if (day := _made(tree))), default=None)
    if made is None:
        message = "osinfo-db is not installed: systems are named by kimchictl's own rules alone"
        return [Finding("osinfo-db", WARN, message, install)]
    age = (datetime.date.today() - made).days
    if age < -1:
        return [Finding("osinfo-db", WARN, f"osinfo-db is of {made}, in the future: the clock is wrong", _SET_CLOCK)]
    if age > _OLD:
        message = f"osinfo-db is of {made}: it does not know what was released since"
        return [Finding("osinfo-db", WARN, message, "osinfo-db-import --local --latest")]
    if skipped := installed_database(os.environ, find_places(os.environ).cache_dir).skipped:
        message = f"osinfo-db is of {made}, and {len(skipped)} of its parts cannot be used: {skipped[0][:300]}"
        return [Finding("osinfo-db", WARN, message, install)]
    return [Finding("osinfo-db", OK, f"osinfo-db is of {made}")]


def _made(tree: str) -> datetime.date | None:
    try:
        with open(os.path.join(tree, "VERSION"), encoding="ascii") as file:
            match = re.match(r"(\d{4})(\d\d)(\d\d)", file.read(64))
        return datetime.date(*(int(part) for part in match.groups())) if match else None
    except (OSError, ValueError):
        return None


_SET_CLOCK = "timedatectl set-ntp true, or start chronyd"


def clock() -> list[Finding]:
    """Is the clock kept right, as the kernel knows it? Certificates and `--changed` depend on it."""
    # struct timex is 208 bytes at most; its first word, `modes`, is 0: nothing is set.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    if state == _UNSYNCHRONISED:
        return [Finding("clock", WARN, "the clock is not synchronised", _SET_CLOCK)]
    return [Finding("clock", OK, "the clock is synchronised")] if state >= 0 else []


def directories(places: Places) -> Iterator[Finding]:
    """Who may write where our documents and what we know lie, and may we?"""
    own = (places.own_config, places.own_state, places.cache_dir, places.run_dir)
    wrong = [found for path in dict.fromkeys((*places.config_dirs, *places.state_dirs, *own)) if (found := _mode(path))]
    wrong += [found for path in dict.fromkeys(own) if (found := _writable(path))]
    yield from wrong
    if not wrong:
        yield Finding("directories", OK, f"{', '.join(dict.fromkeys(own))}: nobody else may write")


def _mode(path: str) -> Finding | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Finding("directories", WARN, f"{path} cannot be looked at: {error.strerror}")
    if not stat.S_ISDIR(status.st_mode):
        return Finding("directories", FAIL, f"{path} is no directory", f"move {quote(path)} away")
    if status.st_mode & stat.S_IWOTH:
        return Finding("directories", FAIL, f"everybody may write to {path}", f"chmod o-w {quote(path)}")
    if status.st_uid not in (0, os.geteuid()):
        message = f"{path} belongs to user {status.st_uid}, who may change what is in it"
        return Finding("directories", FAIL, message, f"chown {os.geteuid()} {quote(path)}")
    return None


def _writable(path: str) -> Finding | None:
    there = _existing(path)
    if os.access(there, os.W_OK | os.X_OK):
        return None
    return Finding("directories", FAIL, f"you may not write to {there}", f"ls -ld {quote(there)}")


def _existing(path: str) -> str:
    """`path`, or the nearest directory above it that there is."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def space(places: Places) -> Iterator[Finding]:
    """Room for what is kept; each file system once."""
    seen, little = set(), False
    for path in (places.own_state, places.own_config, places.cache_dir):
        there = _existing(path)
        try:
            device, free = os.stat(there).st_dev, os.statvfs(there)
        except OSError:
            continue  # what is wrong with it, `directories` says
        room = free.f_bavail * free.f_frsize
        if device not in seen and room < _LITTLE:
            little = True
            yield Finding("space", FAIL, f"{there} has {format_size(room)} left", f"du -xsh {quote(there)}/*")
        seen.add(device)
    if not little:
        yield Finding("space", OK, "there is room for what is kept")


def collector(places: Places, uri: str | None) -> list[Finding]:
    """Does somebody collect statistics of `uri` (None: not reachable, then its usual default)?"""
    uri = uri or ("qemu:///system" if os.geteuid() == 0 else "qemu:///session")
    newest = find_journal(places.state_dirs, uri).newest()
    if is_current(newest):
        return [Finding("collector", OK, "statistics are collected")]
    fix = "systemctl enable --now kimchi-stats.service, or kimchictl stats collect --once each minute from cron"
    since = f" since {time.strftime('%F %R', time.localtime(newest.at))}" if newest else ""
    return [Finding("collector", WARN, f"nobody collects statistics{since}: there is no history", fix)]


def repeated_scan(paths: tuple[str, ...]) -> list[Finding]:
    """Where trees to scan are configured: is there something that scans them?"""
    if not paths:
        return [Finding("scan", OK, "no trees to scan are configured (scan.paths)")]
    missing = [path for path in paths if not os.path.isdir(path)]
    if missing:
        message = f"scan.paths names what is no directory: {', '.join(missing)}"
        return [Finding("scan", FAIL, message, "kimchictl config show shows which file says so")]
    if glob.glob(_WANTED_TIMER) or any(_scans(path) for pattern in _CRONTABS for path in glob.glob(pattern)):
        return [Finding("scan", OK, f"{', '.join(paths)} is scanned regularly")]
    message = f"nothing scans {', '.join(paths)} regularly: new images are not found"
    fix = "systemctl enable --now kimchi-scan.timer, or install kimchi-scan.cron in /etc/cron.d"
    return [Finding("scan", WARN, message, fix)]


def _scans(crontab: str) -> bool:
    try:
        with open(crontab, encoding="utf-8", errors="replace") as file:
            return re.search(r"^[^#\n]*kimchictl\b.*\biso scan\b", file.read(1 << 20), re.MULTILINE) is not None
    except OSError:
        return False
