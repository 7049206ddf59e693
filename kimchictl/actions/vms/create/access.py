"""Whether the user that guests run as can read a file of this machine, and if not, what is in the way.

Root asks by acting as that user, which counts access control lists in; anybody else reasons from the modes.
"""

import os
import pwd
import shlex
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

from kimchictl.errors import Failed, Invalid, KimchiError, NotFound
from kimchictl.virt.capabilities import read_capabilities

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host

_PATIENCE = 5.0


def check_readable(host: "Host", path: str, notes: list[str]) -> None:
    """Raises what keeps guests from reading the file at `path` of this machine; what cannot be told is noted."""
    if not host.is_local or (host.is_test and os.path.exists(path)):
        return
    if host.is_test:
        raise NotFound(f"image {path} does not exist")
    user = (os.geteuid(), os.getegid()) if host.is_session else read_capabilities(host).qemu_user
    if user is None:
        notes.append(f"not checked whether guests can read {path}: as whom they run is not known")
    elif problem := why_unreadable(path, user):
        raise problem


def why_unreadable(path: str, user: tuple[int, int]) -> KimchiError | None:
    """None if the (uid, gid) `user` can read the file at `path`; else what is wrong, with the command that helps."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return NotFound(f"image {path} does not exist")
    except OSError as error:
        return Failed(f"image {path} cannot be looked at: {error.strerror}")
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        return Invalid(f"image {path} is neither a file nor a block device")
    if user[0] == 0 or _can_read(path, user):
        return None
    name = _user_name(user[0])
    for directory in _parents(os.path.realpath(path)):
        if not _may(directory, user, stat.S_IXOTH):
            return Failed(
                f"image {path} cannot be read by {name}, as whom guests run: {directory} does not let it pass",
                f"setfacl -m u:{name}:x {shlex.quote(directory)}",
            )
    sentence = f"image {path} cannot be read by {name}, as whom guests run"
    return Failed(sentence, f"setfacl -m u:{name}:r {shlex.quote(path)}")


def _can_read(path: str, user: tuple[int, int]) -> bool:
    test = shutil.which("test") or shutil.which("test", path=os.defpath)
    if os.geteuid() != 0 or test is None:
        real = os.path.realpath(path)
        return all(_may(each, user, stat.S_IXOTH) for each in _parents(real)) and _may(real, user, stat.S_IROTH)
    try:
        done = subprocess.run(  # noqa: S603 - no shell, a fixed program
            [test, "-r", path],
            user=user[0],
            group=user[1],
            extra_groups=_groups(user),
            cwd="/",
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return True  # not to be found out: qemu will say
    return done.returncode == 0


def _groups(user: tuple[int, int]) -> list[int]:
    try:
        return os.getgrouplist(pwd.getpwuid(user[0]).pw_name, user[1])
    except KeyError:
        return [user[1]]


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _parents(path: str) -> list[str]:
    """/, /a, /a/b for /a/b/c."""
    found = []
    while (parent := os.path.dirname(path)) != path:
        found.append(parent)
        path = parent
    return found[::-1]


def _may(path: str, user: tuple[int, int], right: int) -> bool:
    """Whether the mode gives `right` (as for others) to `user`; True where an ACL or an error leaves it open."""
    try:
        status = os.stat(path)
        if "system.posix_acl_access" in os.listxattr(path):
            return True if os.geteuid() != 0 else _has_right(status, user, right)
    except OSError:
        return True
    return _has_right(status, user, right)


def _has_right(status: os.stat_result, user: tuple[int, int], right: int) -> bool:
    if status.st_uid == user[0]:
        return bool(status.st_mode & right << 6)
    if status.st_gid in _groups(user):
        return bool(status.st_mode & right << 3)
    return bool(status.st_mode & right)
