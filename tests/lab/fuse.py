"""A directory whose server is dead: who opens it waits, and a kill -9 does not end that, as with a hard NFS mount.

It is a file system of ours: fuse(4), the protocol of linux/fuse.h. Once a request was read, its answer is waited for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from lab.mounts import can_mount

# The requests of linux/fuse.h that are made before a directory is listed.
LOOKUP, GETATTR, INIT, OPENDIR, READDIR, RELEASEDIR = 1, 3, 26, 27, 28, 29
_HEADER = struct.Struct("<IIQQIIII")  # fuse_in_header
_ANSWER = struct.Struct("<IiQ")  # fuse_out_header
_ATTRIBUTES = struct.Struct("<QIIQQQQQQIIIIIIIIII")  # fuse_attr_out
_MINOR = 31  # of the protocol's version 7: no more is asked of us than what that had

needs_fuse = pytest.mark.skipif(
    not (can_mount() and os.access("/dev/fuse", os.R_OK | os.W_OK)), reason="there is no FUSE here, or no right to it"
)


class DeadDirectory:
    """`path` is it, empty. `asked` is set once somebody waits for it; revive() answers all."""

    def __init__(
        self, path: Path, run: Callable[..., Any] = subprocess.run, names: bool = False, dies_after: int = 0
    ) -> None:
        """`run` is subprocess.run where it is to be mounted, as on a private host. `names`: who asks for one waits.

        The first `dies_after` who open it are answered.
        """
        self.path, self._run, self._names, self._dies_after = path, run, names, dies_after
        self.asked = threading.Event()
        self.opened = 0
        self._alive = threading.Event()
        self._waiting: list[int] = []
        self._end = os.pipe()

    def __enter__(self) -> Self:
        self.path.mkdir(exist_ok=True)
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        given = f"fd={self._fd},rootmode={stat.S_IFDIR:o},user_id={os.geteuid()},group_id={os.getegid()}"
        words = ["mount", "-i", "-t", "fuse", "-o", given, "dead", str(self.path)]
        self._run(words, check=True, pass_fds=(self._fd,))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(["umount", "--lazy", str(self.path)], check=True)
        os.write(self._end[1], b"x")
        self._thread.join()
        for fd in (self._fd, *self._end):
            os.close(fd)

    def revive(self) -> None:
        """From now on it answers."""
        self._alive.set()
        for unique in self._waiting:
            self._say(unique, bytes(16))

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._fd, self._end[0]], [], [])
            if self._end[0] in ready:
                return
            with contextlib.suppress(OSError):  # a request that was taken back
                self._answer(os.read(self._fd, 1 << 17))

    def _answer(self, request: bytes) -> None:
        _, what, unique, *_ = _HEADER.unpack_from(request)
        if what == INIT:
            self._say(unique, struct.pack("<IIIIHHIIHH32x", 7, _MINOR, 0, 0, 0, 0, 4096, 0, 0, 0))
        elif what == GETATTR:
            inode, mode, links = 1, stat.S_IFDIR | 0o755, 2
            self._say(unique, _ATTRIBUTES.pack(0, 0, 0, inode, *[0] * 8, mode, links, *[0] * 5))
        elif what == OPENDIR:
            self.opened += 1
            self._waiting.append(unique)
            if self._alive.is_set() or self.opened <= self._dies_after:
                self._say(unique, bytes(16))
            self.asked.set()
        elif what == LOOKUP and self._names:
            self.asked.set()
        elif what in (READDIR, RELEASEDIR):
            self._say(unique, b"")
        else:
            self._say(unique, b"", -errno.ENOSYS)

    def _say(self, unique: int, content: bytes, error: int = 0) -> None:
        with contextlib.suppress(OSError):  # answered already
            os.write(self._fd, _ANSWER.pack(_ANSWER.size + len(content), error, unique) + content)
