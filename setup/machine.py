"""What the two set-up commands share: telling, packages, virtual environments. Nothing but Python's own library.

Both are meant for a bare Debian 12 (python3 and apt), for root or for a user with sudo. What is made in the checkout
belongs to whoever the checkout belongs to, whoever runs the command.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"  # the distribution's: the one that its python3-* packages are for
PRIVATE_HOST = CHECKOUT / "tests/lab/host.py"

# What a libvirt host is made of, tini apart, which only the private one needs.
HOST_PACKAGES = [
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-system",
    "qemu-system-x86",
    "qemu-utils",
    "qemu-block-extra",
    "dnsmasq-base",
    "iptables",
    "iproute2",
    "tini",
]


APT = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--quiet"]


def say(text: str = "") -> None:
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Ends the command with a sentence."""
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)
    sys.exit(1)


def look_first() -> None:
    """Refuses what cannot work before anything is changed."""
    if shutil.which("apt-get") is None:
        fail("this is for Debian and its like (apt-get is missing); see README.md for other systems")
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever reads this may have just that
        fail(f"kimchictl needs Python 3.11 or later; {PYTHON} is {sys.version.split()[0]}")
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        fail("run it as root, or install sudo")
    if not os.path.exists("/proc/self/status"):
        fail("/proc is not mounted here: mount -t proc proc /proc")


def missing(packages: Sequence[str]) -> list[str]:
    """Those of `packages` that are not installed."""
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def install(packages: Sequence[str]) -> None:
    """Installs packages; what they merely recommend is left out."""
    if not packages:
        return
    say("Installing Debian packages, which takes a minute or a few")
    update_lists()
    as_root([*APT, "--yes", "--no-install-recommends", "install", *packages], quiet=True)


def fetch(packages: Sequence[str], place: Path) -> bool:
    """Downloads packages, and installs none, into a directory of the checkout; False where they cannot be had.

    What is there from an earlier run stays, as long as the list is the same.
    """
    stamp = place / "made-of"
    if stamp.exists() and stamp.read_text().split() == list(packages):
        return True
    say("Downloading Debian packages that are not installed")
    update_lists()
    # Its user _apt, as whom it would download, may not write there.
    apt = "apt-get --quiet=2 --option=APT::Sandbox::User=root download"
    script = f'set -e; rm -rf "$0"; mkdir -p "$0"; cd "$0"; {apt} "$@"; echo "$MADE_OF" > made-of'
    command = ["env", f"MADE_OF={' '.join(packages)}", "sh", "-c", script, str(place), *map(behind, packages)]
    done = subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **owner_options())
    if done.returncode != 0:
        print(*done.stderr.decode(errors="replace").splitlines()[:1], file=sys.stderr)
    return done.returncode == 0


def behind(package: str) -> str:
    """The kernel that a package like linux-image-amd64 stands for today; any other stands for itself."""
    if not package.startswith("linux-image-"):
        return package
    told = subprocess.run(["apt-cache", "depends", package], stdout=subprocess.PIPE, text=True).stdout
    return next((line.split()[1] for line in told.splitlines() if line.startswith("  Depends: linux-image-")), package)


@cache
def update_lists() -> None:
    """What packages there are, once a run: where all is installed, that was asked long ago, or never."""
    as_root([*APT, "update"], quiet=True)


def closed_to_others(path: Path) -> Path | None:
    """The first directory on the way to the directory `path`, or that, which not everybody may enter, or None."""
    closed = (place for place in (*reversed(path.parents), path) if not place.stat().st_mode & stat.S_IXOTH)
    return next(closed, None)


def as_root(argv: Sequence[str], quiet: bool = False) -> None:
    """Runs a command as root, with sudo for a user; ends this command when it fails."""
    run(argv if os.geteuid() == 0 else ["sudo", *argv], quiet=quiet)


def as_owner(argv: Sequence[str], quiet: bool = False) -> None:
    """Runs a command as the user whom the checkout belongs to; ends this command when it fails."""
    run(argv, quiet=quiet, **owner_options())


def owner_options() -> dict[str, Any]:
    """What subprocess needs for a process of the checkout's owner: nothing but for root in a user's checkout."""
    owner = CHECKOUT.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return {}
    options = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()}
    return options | {"env": os.environ | identity(owner.st_uid)}


def identity(user: int) -> dict[str, str]:
    """What the environment says of a user; pytest, for one, calls its directory in /tmp after that."""
    try:
        record = pwd.getpwuid(user)
    except KeyError:  # a number without a name, as in a container
        return {"HOME": str(CHECKOUT), "USER": str(user), "LOGNAME": str(user)}
    return {"HOME": record.pw_dir, "USER": record.pw_name, "LOGNAME": record.pw_name}


def run(argv: Sequence[str], quiet: bool = False, **options: Any) -> None:
    """Runs a command without a standard input; a quiet one is heard only when it fails."""
    if quiet:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, text=True, errors="replace", **options)
    if done.returncode != 0:
        if quiet:
            print(done.stdout, file=sys.stderr, end="")
        fail(f"this failed with exit status {done.returncode}: {shlex.join(argv)}")


def indented(items: Sequence[str]) -> str:
    """Words, broken into lines that a terminal holds."""
    lines = [""]
    for item in items:
        if len(lines[-1]) + len(item) > 100:
            lines.append("")
        lines[-1] += f" {item}"
    return "\n".join(f"     {line}" for line in lines)
