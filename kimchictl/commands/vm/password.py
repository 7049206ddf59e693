"""The password of a display that others can reach: asked for, or read from a descriptor."""

import os
from collections.abc import Callable
from typing import Any

import click

from kimchictl.errors import Invalid, UsageError

_LONGEST = {"vnc": 8}  # RFC 6143 7.2.2: its cipher's key; what is longer would be cut off silently
_LIMIT = 4096


def password_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--display-password-fd and --insecure, for a display that listens on more than this machine."""
    for decorate in (
        click.option("--display-password-fd", type=int, metavar="N", help="Read the display's password from here."),
        click.option("--insecure", is_flag=True, help="Let a display be reached from elsewhere without a password."),
    ):
        function = decorate(function)
    return function


def is_loopback(address: str | None) -> bool:
    """Whether only this machine's users can reach `address`; None is libvirt's own default, loopback."""
    if address is None or address == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def display_password(
    kind: str, listen: str | None, fd: int | None, insecure: bool, has_one: bool = False, may_ask: bool = True
) -> str | None:
    """The password for a display of `kind` on `listen`, None for none. Raises UsageError where one is needed.

    `has_one`: it has one already, which may stay. Without `may_ask` nobody is asked, who could be.
    """
    if fd is not None:
        return _checked(_read(fd), kind)
    if kind == "none" or insecure or has_one or is_loopback(listen):
        return None
    import sys

    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise UsageError(
            f"a display on {listen} can be reached from elsewhere and has no password",
            "give it one with --display-password-fd, or let it be with --insecure",
        )
    if not may_ask:
        return None
    return _checked(click.prompt(_question(kind), hide_input=True, confirmation_prompt=True, err=True), kind)


def _question(kind: str) -> str:
    longest = _LONGEST.get(kind)
    return "Password of the display" + (f" ({longest} bytes at most)" if longest else "")


def _read(fd: int) -> str:
    try:
        data = os.read(fd, _LIMIT)
    except OSError as error:
        raise UsageError(f"--display-password-fd: descriptor {fd} cannot be read: {error.strerror}") from None
    return data.decode("utf-8", "replace").partition("\n")[0].rstrip("\r")


def _checked(password: str, kind: str) -> str:
    longest = _LONGEST.get(kind, 60)
    if not password:
        raise Invalid("the password of the display is empty")
    if len(password.encode()) > longest:
        raise Invalid(f"the password of the display is longer than the {longest} bytes that {kind} takes")
    return password
