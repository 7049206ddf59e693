"""Refreshing a storage pool without doing harm.

libvirt shows what a pool held at its last refresh, so a listing has to refresh. But a refresh that fails makes libvirt
stop a persistent pool and forget a transient one, and one that hangs on a dead file server blocks every other client.
So the pool's directory is first opened by a child process, which can be killed; only when that answered in time is
libvirt asked. Both are done under the pool's lock (poollock.py), which a child that hangs keeps: no other process asks
again while it does. A pool that is not refreshed keeps its last known content and is called stale.
"""

import contextlib
import errno
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from shlex import quote
from typing import Any

from kimchictl.errors import Disconnected, Locked
from kimchictl.virt.connection import Host, is_code, translate
from kimchictl.virt.storage.poollock import PoolLock, pool_lock

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
_KILLED_SECONDS = 0.2  # what a child that can be killed may take to end, and free its lock
_WAIT = "wait until it is done, or give it longer with --lock-timeout"
FILE_POOLS = ("dir", "fs", "netfs")


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether what libvirt says of a pool is of now; `error` is why not; `reachable` whether its storage answers.

    `stopped`: the refresh failed in a way that libvirt stopped the pool for, against all care.
    """

    stale: bool = False
    error: str | None = None
    reachable: bool = True
    stopped: bool = False


FRESH = Freshness()


def refresh(
    host: Host, pool: Any, name: str, kind: str, path: str | None, seconds: float, patience: float | None = None
) -> Freshness:
    """Refresh the active pool `name`, if nobody else is at it and its directory answers, both within `seconds`.

    With `patience`, seconds too, whoever is at it is waited for so long. Then raises Locked.
    """
    if host.is_test:
        return FRESH  # nothing lies behind its pools
    looked_at = path if host.is_local and kind in FILE_POOLS else None
    end = time.monotonic() + seconds
    try:
        with pool_lock(host, pool, seconds if patience is None else patience, patience is not None) as lock:
            end = end if patience is None else time.monotonic() + seconds
            # The system's libvirtd may look where its user may not; the one of a session may not either.
            denied = not host.is_session and os.geteuid() != 0
            if looked_at and (reason := unreachable(looked_at, end - time.monotonic(), denied, lock)):
                return Freshness(True, reason, reachable=False)
            return Freshness(True, "the connection is read-only") if host.readonly else _ask(host, pool, name)
    except Locked as error:
        if patience is not None:
            raise Locked(f"pool {name!r} is locked: {error}", _WAIT) from None
        return Freshness(True, f"{looked_at or 'it'} does not answer: {error}", reachable=False)


def _ask(host: Host, pool: Any, name: str) -> Freshness:
    try:
        pool.refresh(0)
    except host.lib.libvirtError as error:
        return _failed(host, pool, name, error)
    return FRESH


def _failed(host: Host, pool: Any, name: str, error: Any) -> Freshness:
    if isinstance(translate(error, name), Disconnected):
        raise error
    message: str = error.get_error_message() or "no reason given"
    if "asynchronous jobs" in message:
        return Freshness(True, "busy: a volume is being written")
    try:
        stopped = not pool.isActive()
    except host.lib.libvirtError as gone:
        if is_code(gone, "NO_STORAGE_POOL"):
            return Freshness(True, f"{message}; libvirt stopped it, and as it was transient, it is gone", stopped=True)
        stopped = False  # of that nothing is known
    if stopped:
        return Freshness(True, f"{message}; libvirt stopped it: kimchictl pool start {quote(name)}", stopped=True)
    return Freshness(True, message)


def unreachable(path: str, seconds: float, may_be_denied: bool = False, lock: PoolLock | None = None) -> str | None:
    """Why the directory `path` cannot be opened within `seconds`; None if it can.

    `may_be_denied`: that it may not be read by us will do, too, as it answers. `lock`: one that is to be held for as
    long as the child lives.

    Python's own file calls could not be interrupted. Nor can a child that waits for a dead server always be killed:
    then it is left behind, and only it hangs.
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter, a fixed program
        [sys.executable or "python3", "-I", "-S", "-c", _LOOK, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=() if lock is None or lock.fd is None else (lock.fd,),
    )
    if lock:
        lock.held_by(child.pid)
    end = time.monotonic() + seconds
    while (status := child.poll()) is None:
        if time.monotonic() > end:
            return f"{path} does not answer{_kill(child, lock)}"
        time.sleep(_POLL_SECONDS)
    if lock:
        lock.held_by(os.getpid())
    if may_be_denied and status in (errno.EACCES, errno.EPERM):
        return None
    return f"{path}: {os.strerror(status) if 0 < status < 134 else 'cannot be opened'}" if status else None


def _kill(child: "subprocess.Popen[bytes]", lock: PoolLock | None) -> str:
    """What is to be said of a child that did not end in time."""
    child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_KILLED_SECONDS)
        return ""
    if lock:
        lock.kept = True
    return f": process {child.pid} hangs in it, and nobody asks again until it ends"
