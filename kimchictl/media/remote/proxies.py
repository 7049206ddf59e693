"""Which proxy stands between here and a server: http_proxy, https_proxy, ftp_proxy, all_proxy and no_proxy.

As everywhere, a name in lower case goes before one in upper case, and HTTP_PROXY is ignored under a web server.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kimchictl.errors import Failed
from kimchictl.media.remote.address import Address
from kimchictl.media.remote.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` is the value of its header or None, and does not show in a repr."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        return f"the proxy {self.host}:{self.port}"


def speaks_http(address: Address) -> bool:
    """Whether a request for `address` is an HTTP request: FTP is, too, when a proxy translates it."""
    return address.scheme in ("http", "https") or (address.scheme == "ftp" and proxy_for(address) is not None)


def proxy_for(address: Address) -> Proxy | None:
    """The proxy that the environment names for `address`. Raises Failed for one that cannot be used."""
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    proxies = getproxies_environment()
    text = proxies.get(address.scheme) or (proxies.get("all") if address.scheme != "ftps" else None)
    if not text or proxy_bypass_environment(f"{address.host}:{address.port}", proxies):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or (80 if "://" in text else 3128)
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "http" or not host or address.scheme == "ftps":
        what = f"the proxy for {address.scheme} in the environment"
        raise Failed(f"{what} cannot be used: only http:// proxies are supported, and not for ftps", _HINT)
    authorization = None
    if parts.username is not None:
        authorization = Credentials(unquote(parts.username), unquote(parts.password or "")).basic()
    return Proxy(host, port, authorization)


_HINT = "name the host in no_proxy to reach it directly"
