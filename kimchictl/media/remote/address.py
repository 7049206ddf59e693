"""A URL, parsed once and strictly: what is sent on a wire is made here and nowhere else (RFC 3986)."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from kimchictl.errors import Invalid, without_password

PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 990}
MAX_URL = 4096
MAX_SHOWN = 300  # characters of a URL that is refused
MAX_HOST = 253  # RFC 1035 2.3.4: 255 octets, of which two are not text

_SAFE = "/%:@!$&'()*+,;=~-._"  # RFC 3986 3.3: what a path may hold as it is
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Address:
    """`host` is ASCII (IDNA) without brackets; `target` is the path and query, percent-encoded, with its slash."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """host:port as a Host header has it (RFC 9110 7.2): no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """host:port, for a person."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who may see what was meant for this server (RFC 6454)."""
        return self.scheme, self.host.lower(), self.port

    @property
    def path(self) -> bytes:
        """The path decoded, without the first slash: relative to the login directory (RFC 1738 3.2.2)."""
        return unquote_to_bytes(self.target.partition("?")[0])[1:]

    @property
    def file_name(self) -> str:
        """The last part of the path, decoded; empty for a directory."""
        return self.path.rpartition(b"/")[2].decode("utf-8", "replace")


def parse_address(url: str) -> Address:
    """The address that `url` is. Raises Invalid, never repeating a password."""
    shown = without_password(url)
    if len(url) > MAX_URL or _CONTROL.search(url):
        raise Invalid(f"the URL {shown[:80]!r}... is too long or has control characters in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        ascii_host = (host or "").encode("ascii" if (host or "").isascii() else "idna").decode()
    except ValueError:
        raise Invalid(f"{shown[:MAX_SHOWN]!r} is no URL: host or port are not valid") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise Invalid(f"{shown[:MAX_SHOWN]!r}: the scheme {scheme[:20]!r} is not one of {', '.join(PORTS)}")
    if "@" in parts.netloc:
        raise Invalid(f"the URL {shown[:MAX_SHOWN]!r} has a user name in it", credentials_hint(ascii_host or "HOST"))
    if not 0 < len(ascii_host) <= MAX_HOST or re.search(r"[\s\\\"<>^`{|}%]", ascii_host) or port == 0:
        raise Invalid(f"{shown[:MAX_SHOWN]!r} is no URL: host or port are not valid")
    path = quote(parts.path or "/", safe=_SAFE)
    target = path + ("?" + quote(parts.query, safe=_SAFE + "?") if parts.query else "")
    return Address(scheme, ascii_host, port or PORTS[scheme], target)


def credentials_hint(host: str) -> str:
    """The next step of who has credentials for `host`."""
    return f"keep credentials in ~/.netrc: machine {host} login USER password PASSWORD"


def resolve_location(base: Address, location: str) -> Address:
    """Where a redirect leads (RFC 9110 10.2.2). Raises Invalid."""
    try:
        joined = urljoin(base.url, location)
    except ValueError:
        raise Invalid(f"{without_password(location)[:MAX_SHOWN]!r} is no URL") from None
    return parse_address(joined)
