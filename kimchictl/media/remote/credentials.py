"""User names and passwords for servers: from ~/.netrc, or the file that `net.netrc` of the configuration names.

They are in no URL, option, template, log or error. A file that everybody can read is refused once it is needed.
"""

import os
import stat
from dataclasses import dataclass, field

from kimchictl.errors import Failed
from kimchictl.media.remote.settings import NetSettings


@dataclass(frozen=True, slots=True)
class Credentials:
    """The password does not show in a repr."""

    user: str
    password: str = field(repr=False)

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        from base64 import b64encode

        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


def credentials_for(host: str, net: NetSettings, default: bool = False) -> Credentials | None:
    """What the credentials file has for `host`; its `default` entry too, if wanted. Raises Failed.

    The default entry is FTP's anonymous login by tradition; no web server is told a password that was not meant for it.
    """
    path = net.netrc or os.path.expanduser("~/.netrc")
    try:
        status = os.stat(path)
        entry = _entry(path, host, default)
    except FileNotFoundError:
        if net.netrc is not None:
            raise Failed(f"the credentials file {path!r} does not exist", "net.netrc names it") from None
        return None
    except OSError as error:
        if net.netrc is None:
            return None  # somebody else's home directory
        raise Failed(f"the credentials file {path!r} cannot be read: {error.strerror}") from None
    if entry is None:
        return None
    if stat.S_IMODE(status.st_mode) & 0o007:
        raise Failed(f"the credentials file {path!r} is open to everybody", f"chmod 600 {path}")
    return entry


def _entry(path: str, host: str, default: bool) -> Credentials | None:
    import netrc

    try:
        hosts = netrc.netrc(path).hosts
    except netrc.NetrcParseError as error:  # its message may hold a password
        line = f" in line {error.lineno}" if error.lineno else ""
        raise Failed(f"the credentials file {path!r} has a mistake{line}") from None
    except UnicodeDecodeError:
        raise Failed(f"the credentials file {path!r} is not text") from None
    found = hosts.get(host) or (hosts.get("default") if default else None)
    return Credentials(found[0], found[2]) if found and found[0] else None
