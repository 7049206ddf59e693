"""A mount namespace for one function: what it mounts is seen by nobody else and gone when it returns."""

import ctypes
import os
import pickle
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

_CLONE_NEWNS = 0x00020000


def can_mount() -> bool:
    """Whether this user may have such a namespace."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="only root can mount")


def mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def unmount(path: object) -> None:
    subprocess.run(["umount", str(path)], check=True)


def in_namespace(function: Callable[[], Any]) -> Any:
    """What `function` returns, called in a child process with mounts of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        result: Any = None
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
                raise OSError(ctypes.get_errno(), "unshare")
            mount("--make-rprivate", "/")
            result = function()
        except BaseException as error:
            result = error
        finally:
            with open(writer, "wb") as pipe:
                pipe.write(pickle.dumps(result))
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        result = pickle.loads(pipe.read())  # noqa: S301 - our own child wrote it
    os.waitpid(child, 0)
    if isinstance(result, BaseException):
        raise result
    return result
