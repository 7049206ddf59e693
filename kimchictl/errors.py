"""Every error a user can meet, and the exit status each one carries.

    KimchiError                    code              exit status
    |-- Failed                     failed            1   a URL that fails, no permission on a local file
    |-- UsageError                 usage             2   the command line is wrong
    |-- NotFound                   not_found         3   no such object, path or volume
    |-- Exists                     exists            4   the name is taken
    |-- InUse                      in_use            4   something else needs it
    |-- WrongState                 wrong_state       4   it must first be started, stopped...
    |-- Invalid                    invalid           4   a value or a document breaks a rule
    |-- Damaged                    damaged           4   a file or an image cannot be what it says it is
    |-- HostError                  host              5   libvirt is not installed, not reachable, or does not permit it
    |   `-- Disconnected           host            5   the connection broke under a call
    |       `-- Unconfirmed        host            5   ... that must not be made twice
    |-- Locked                     locked            6   another process holds the lock
    |-- PartlyFailed               partly_failed     7   some of several failed
    `-- TimedOut                   timed_out         8   it did not happen in the time given

A message is one sentence that names the object; the hint is the next step. Neither holds a code. An error is raised
where it is known precisely and turned into an exit status in one place, `kimchictl.cli`.
"""

import re
from collections.abc import Iterable

# What stands before an @ in a URL: RFC 3986's user part, and passwords with a slash in them, which break that syntax.
_BOTH = r"(?<=://)[^/?#\s]*:(?!\d+(?:/|$))\S*@"
_USER = rf"{_BOTH}|(?<=://)[^/?#\s]*@"


def without_password(text: str) -> str:
    """`text` fit for a message: what may be a user name and a password in a URL is left out."""
    return re.sub(_USER, "***@", text)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint: the nearest of the `known` names to what was typed, or `otherwise`."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else otherwise


class KimchiError(Exception):
    """The base: `str(error)` is the message, `error.hint` the next step or None.

    Whatever was named in it, a password in a URL is not: somebody may have given one where a name or a path belongs.
    """

    code = "failed"
    exit_status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(re.sub(_BOTH, "***@", message) if "://" in message else message)
        self.hint = hint


class Failed(KimchiError):
    """Something that should have worked did not."""


class UsageError(KimchiError):
    """The command line is wrong."""

    code = "usage"
    exit_status = 2


class NotFound(KimchiError):
    """No object, path or volume of that name."""

    code = "not_found"
    exit_status = 3


class Exists(KimchiError):
    """The name is taken."""

    code = "exists"
    exit_status = 4


class InUse(KimchiError):
    """Something else needs it."""

    code = "in_use"
    exit_status = 4


class WrongState(KimchiError):
    """It must first be started, stopped, or the like."""

    code = "wrong_state"
    exit_status = 4


class Invalid(KimchiError):
    """A value or a document breaks a rule; the message names key, value and limit."""

    code = "invalid"
    exit_status = 4


class Damaged(KimchiError):
    """A file or an image is not, or no longer, what it claims to be."""

    code = "damaged"
    exit_status = 4


class HostError(KimchiError):
    """The libvirt host is not reachable, not permitted, or its library is not installed."""

    code = "host"
    exit_status = 5


class Disconnected(HostError):
    """The connection to a libvirt host broke under a call: what was asked may have been done, or not."""


class Unconfirmed(Disconnected):
    """It broke under what is not asked for once more, as that would be another change if the first was made."""


class Locked(KimchiError):
    """Another process holds the lock; the message names it."""

    code = "locked"
    exit_status = 6


class PartlyFailed(KimchiError):
    """Some of several failed; each was reported on its own."""

    code = "partly_failed"
    exit_status = 7


class TimedOut(KimchiError):
    """It did not happen in the time given."""

    code = "timed_out"
    exit_status = 8
