"""What libvirt is answered when a host asks who one is: on a terminal by the person there, else from a descriptor.

A password is never taken from the command line or the environment, where others can read it, nor from a URI.
"""

import os
import pwd
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from kimchictl.errors import UsageError

Answers = Callable[[list[Any], object], int]

_MOST = 4096  # bytes


def interactive() -> bool:
    """Whether there is somebody to ask."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


def read_password(descriptor: int) -> tuple[str, ...]:
    """The lines of an open descriptor: a password, or a user name and a password. Raises UsageError."""
    try:
        with open(descriptor, "rb", closefd=False, buffering=0) as file:
            content = b""
            while len(content) <= _MOST and (some := file.read(_MOST)):
                content += some
        lines = tuple(content.decode().splitlines())
    except (OSError, UnicodeDecodeError):  # not chained: an error's text may quote what was read
        lines = ()
    if not 1 <= len(lines) <= 2 or not lines[-1] or len(content) > _MOST:
        raise UsageError(
            f"descriptor {descriptor} does not hold a password",
            "one line with it, or two: user name and password; like --password-fd 3 3<FILE",
        )
    return lines


def refuse(_credentials: list[Any], _data: object) -> int:
    """The answer where nobody can be asked."""
    return -1


def answer_with(lib: Any, lines: Sequence[str], uri: str | None) -> Answers:
    """Answers with the `lines` of read_password; the user is the URI's, else the one who asks."""
    user = lines[0] if len(lines) == 2 else (urlsplit(uri or "").username or _own_name())
    given = {lib.VIR_CRED_AUTHNAME: user, lib.VIR_CRED_PASSPHRASE: lines[-1]}

    def answer(credentials: list[Any], _data: object) -> int:
        for credential in credentials:
            if credential[0] not in given:
                return -1
            credential[4] = given[credential[0]]
        return 0

    return answer


def ask_person(lib: Any) -> Answers:
    """libvirt's callback: [type, prompt, challenge, default, result] each; 0 when all are answered, -1 to give up."""

    def ask(credentials: list[Any], _data: object) -> int:
        import getpass

        for credential in credentials:
            prompt = f"{str(credential[1]).rstrip(': ')}: "
            try:
                if credential[0] in (lib.VIR_CRED_PASSPHRASE, lib.VIR_CRED_NOECHOPROMPT):
                    credential[4] = getpass.getpass(prompt)
                else:
                    print(prompt, end="", file=sys.stderr, flush=True)
                    credential[4] = sys.stdin.readline().rstrip("\n") or credential[3] or ""
            except (EOFError, OSError):
                return -1
        return 0

    return ask


def credential_types(lib: Any) -> list[int]:
    """What we know how to answer."""
    return [lib.VIR_CRED_AUTHNAME, lib.VIR_CRED_PASSPHRASE, lib.VIR_CRED_ECHOPROMPT, lib.VIR_CRED_NOECHOPROMPT]


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
