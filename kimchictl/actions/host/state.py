"""Where statistics and tasks are kept, and who may read them.

    STATE_DIR/stats, STATE_DIR/tasks     as root 2750 and group libvirt, so that who may ask libvirt may read them;
                                         a user's own are 0700

What is in them says what machines there are and what they do, which is not for everybody.
"""

import contextlib
import grp
import os

from kimchictl import files

GROUP = "libvirt"


def make_state_directory(path: str) -> None:
    """Make `path` and what is missing above it, open to the group libvirt where root makes it. Raises Failed."""
    if os.path.isdir(path):
        return
    files.make_directory(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
        if os.geteuid() == 0:
            with contextlib.suppress(KeyError):  # no such group: root's alone
                os.chown(path, 0, grp.getgrnam(GROUP).gr_gid)
                os.chmod(path, 0o2750)  # noqa: S103 - the group reads, and new files are the group's
    except FileExistsError:
        return
    except OSError as error:
        raise files.failed("make the directory", path, error) from error
