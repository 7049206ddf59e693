"""Refreshing a storage pool without doing harm.

libvirt shows what a pool held at its last refresh, so a listing has to refresh. But a refresh that fails makes libvirt
stop a persistent pool and forget a transient one, and one that hangs on a dead file server blocks every other client.
So the pool's directory is first opened by a child process, which can be killed; only when that answered in time is
libvirt asked. A pool that is not refreshed keeps its last known content and is called stale.
"""

import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from kimchictl.virt.connection import Host

# -I -S: neither the environment nor site-packages can make it slow or do something else.
_LOOK = """
import os, sys
try:
    with os.scandir(sys.argv[1]) as entries:
        next(entries, None)
except OSError as error:
    sys.exit(error.errno)
"""
_POLL_SECONDS = 0.005
FILE_POOLS = ("dir", "fs", "netfs")


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether what libvirt says of a pool is of now; `error` is why not; `reachable` whether its directory answers."""

    stale: bool = False
    error: str | None = None
    reachable: bool = True


FRESH = Freshness()

# The pools that are being refreshed: one that hangs is not asked again while it does.
_running: set[tuple[str, str]] = set()
_guard = threading.Lock()


def refresh(host: Host, pool: Any, name: str, kind: str, path: str | None, seconds: float) -> Freshness:
    """Refresh the active pool `name`, if its directory answers within `seconds`."""
    if host.is_test:
        return FRESH  # nothing lies behind its pools
    if host.readonly:
        return Freshness(True, "the connection is read-only")
    # The system's libvirtd may look where its user may not; the one of a session may not either.
    denied = not host.is_session and os.geteuid() != 0
    if host.is_local and kind in FILE_POOLS and path and (reason := unreachable(path, seconds, denied)):
        return Freshness(True, reason, reachable=False)
    key = host.uri, name
    with _guard:
        if key in _running:
            return Freshness(True, "the refresh before this one has not ended")
        _running.add(key)
    try:
        pool.refresh(0)
    except host.lib.libvirtError as error:
        return Freshness(True, _why(host, pool, name, error))
    finally:
        with _guard:
            _running.discard(key)
    return FRESH


def _why(host: Host, pool: Any, name: str, error: Any) -> str:
    message: str = error.get_error_message() or "no reason given"
    if "asynchronous jobs" in message:
        return "busy: a volume is being written"
    try:
        stopped = not pool.isActive()
    except host.lib.libvirtError:
        stopped = True
    return f"{message}; libvirt stopped it: kimchictl pool start {name}" if stopped else message


def unreachable(path: str, seconds: float, may_be_denied: bool = False) -> str | None:
    """Why the directory `path` cannot be opened within `seconds`; None if it can.

    `may_be_denied`: that it may not be read by us will do, too, as it answers.

    Python's own file calls could not be interrupted. Nor can a child that waits for a dead server always be killed:
    then it is left behind, and only it hangs.
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter, a fixed program
        [sys.executable or "python3", "-I", "-S", "-c", _LOOK, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + seconds
    while (status := child.poll()) is None:
        if time.monotonic() > end:
            child.kill()
            return f"{path} does not answer"
        time.sleep(_POLL_SECONDS)
    if may_be_denied and status in (errno.EACCES, errno.EPERM):
        return None
    return f"{path}: {os.strerror(status) if 0 < status < 134 else 'cannot be opened'}" if status else None
