"""HTTP: a client that follows redirects with care (RFC 9110, 9112).

Credentials go to the server that the user named, and to no other that it redirects to. From https no redirect leads
to http. What a server says is a stranger's text: only its status, as a number, is ever repeated.
"""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kimchictl import __version__
from kimchictl.errors import Invalid, KimchiError
from kimchictl.media.remote import wire
from kimchictl.media.remote.address import Address, credentials_hint, parse_address, resolve_location
from kimchictl.media.remote.credentials import credentials_for
from kimchictl.media.remote.proxies import Proxy, proxy_for
from kimchictl.media.remote.settings import NetSettings
from kimchictl.media.source import Unreadable

MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_SMALL_BODY = 2048  # of a redirect: read, so that the connection can be used again


class Client:
    """Requests for one URL, one after the other, on one connection as long as the server keeps it.

    `address` is where redirects have led so far, `chain` the URLs on the way there.
    """

    def __init__(
        self,
        url: str,
        net: NetSettings,
        deadline: wire.Deadline | None = None,
        window: int | None = None,
        system_trust: bool = False,
    ) -> None:
        self.url = url
        self.address = self._named = parse_address(url)
        self.chain: list[str] = []
        self.deadline = deadline or wire.Deadline(net.timeout)
        self._net, self._window, self._system_trust = net, window, system_trust
        self._credentials = credentials_for(self.address.host, net) if self.address.scheme != "ftp" else None
        self._connection: http.client.HTTPConnection | None = None
        self._used = False
        self._proxy: Proxy | None = None

    @property
    def has_credentials(self) -> bool:
        return self._credentials is not None

    def request(self, method: str = "GET", headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """The answer at the end of all redirects, its status whatever it is. Raises Unreadable, Failed."""
        with self.explaining():
            for _ in range(MAX_REDIRECTS + 1):
                response = self._once(method, headers or {})
                if response.status not in _REDIRECTS:
                    return response
                self._follow(response)
        raise self.fail(f"{self._named.place} redirects in a circle, or more than {MAX_REDIRECTS} times")

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """What goes wrong within, in words. Every failure closes the connection."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self.close()
            place = self._proxy.place if self._proxy is not None else self.address.place
            raise wire.explained(self.url, place, self.deadline, error) from None
        except KimchiError:
            self.close()
            raise

    def fail(self, reason: str, hint: str | None = None) -> Unreadable:
        """The error for this URL."""
        return wire.unreadable(self.url, reason, hint)

    def refusal(self, status: int) -> Unreadable:
        """The error for an answer that is neither 200 nor 206."""
        phrase = http.client.responses.get(status, "")
        hint = None
        if status == 401:
            hint = credentials_hint(self._named.host)
        elif status == 407:
            hint = "user name and password of a proxy belong in its URL in the environment"
        elif status in (404, 410) and self.chain:
            hint = f"it was redirected to {self.address.url}"
        return self.fail(f"{self.address.place} answered {status} {phrase}".rstrip(), hint)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- one request

    def _once(self, method: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        try:
            return self._send(method, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            if not self._used:
                raise
            # A server may close an idle connection just when it is used again (RFC 9112 9.3.1).
            self.close()
            return self._send(method, headers)

    def _send(self, method: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        self._used = self._connection is not None
        connection = self._connection or self._connect()
        target = self.address.target
        if self._proxy is not None and self.address.scheme != "https":
            target = f"{self.address.scheme}://{self.address.authority}{target}"  # RFC 9112 3.2.2
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**self._own_headers(), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse()

    def _own_headers(self) -> dict[str, str]:
        headers = {
            "Host": self.address.authority,
            "User-Agent": f"kimchictl/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # a compressed body has other offsets
        }
        if self._credentials is not None and _trusts(self._named, self.address):
            headers["Authorization"] = self._credentials.basic()
        if self._proxy is not None and self._proxy.authorization and self.address.scheme != "https":
            headers["Proxy-Authorization"] = self._proxy.authorization
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        address = self.address
        self._proxy = proxy_for(address)
        first = self._proxy or address
        connection = http.client.HTTPConnection(address.host, address.port)
        sock = wire.dial(first.host, first.port, self.deadline, self._window)
        if address.scheme == "https":
            if self._proxy is not None:
                self._open_tunnel(sock, self._proxy)
            context = wire.tls_context(None if self._system_trust else self._net.ca_file, self._system_trust)
            sock = wire.secure(sock, context, address.host, self.deadline)  # type: ignore[assignment]
        connection.sock = sock
        self._connection = connection
        return connection

    def _open_tunnel(self, sock: wire.PlainSocket, proxy: Proxy) -> None:
        """Ask the proxy for a way through to the server (RFC 9110 9.3.6)."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        lines = [f"CONNECT {host}:{self.address.port} HTTP/1.1", f"Host: {host}:{self.address.port}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        try:
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            response = http.client.HTTPResponse(sock, method="CONNECT")
            response.begin()
            status = response.status
            response.close()  # its reader only; the socket stays
        except BaseException:
            sock.close()
            raise
        if status != 200:
            sock.close()
            phrase = http.client.responses.get(status, "")
            raise self.fail(f"{proxy.place} refused the connection: {status} {phrase}".rstrip())

    def _follow(self, response: http.client.HTTPResponse) -> None:
        location = response.headers.get("Location")
        if not location:
            raise self.fail(f"{self.address.place} answered {response.status} and does not say where to")
        try:
            target = resolve_location(self.address, location.encode("latin-1").decode("utf-8", "replace"))
        except Invalid:
            raise self.fail(f"{self.address.place} redirects to what is no address of a file") from None
        if target.scheme not in ("http", "https") or (self.address.scheme == "https" and target.scheme != "https"):
            raise self.fail(f"{self.address.place} redirects from {self.address.scheme} to {target.scheme}")
        if target.origin != self.address.origin or not _drained(response):
            self.close()
        self.address = target
        self.chain.append(target.url)


def _drained(response: http.client.HTTPResponse) -> bool:
    """Whether the answer's body was short and is read, so that its connection is free for the next request."""
    if response.length is None or response.length > _SMALL_BODY:
        return False
    response.read()
    return True


def _trusts(named: Address, address: Address) -> bool:
    """Whether `address` may see what was meant for `named`: the same server, or itself with TLS."""
    if named.origin == address.origin:
        return True
    upgraded = named.scheme == "http" and named.port == 80 and address.scheme == "https" and address.port == 443
    return upgraded and named.host.lower() == address.host.lower()
