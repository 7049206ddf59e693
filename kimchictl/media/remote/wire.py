"""Sockets whose every operation ends by one deadline, names resolved within it, TLS; and errors in words.

A timeout for each operation is not enough: a server that sends a byte a second would hold a probe for ever. So the
time left is set anew before every read, and name resolution, which cannot be interrupted, happens in a thread that is
left behind when the time is over.
"""

import functools
import http.client
import socket
import ssl
import threading
import time
from ftplib import Error as FtpError
from typing import Any, cast

from kimchictl.errors import Failed
from kimchictl.media.source import Unreadable

# What a server can have on its way to us when we hang up on it: the kernel makes it 8 KiB, and a reader buffers 8 more.
PROBE_WINDOW = 4 << 10


class OutOfTime(TimeoutError):
    """The deadline has passed."""


class Deadline:
    """A point in time, `seconds` after it was made; `restart` moves it, for work that goes on as long as it moves."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restart()

    def restart(self) -> None:
        self._at = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds, always above 0. Raises OutOfTime."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left


class _Timed:
    """What both kinds of socket do: set the time left before each operation. `makefile` goes through `recv_into`."""

    deadline: Deadline

    def recv_into(self, *args: Any, **more: Any) -> int:
        self.settimeout(self.deadline.left())  # type: ignore[attr-defined]
        return super().recv_into(*args, **more)  # type: ignore[misc,no-any-return]

    def recv(self, *args: Any, **more: Any) -> bytes:
        self.settimeout(self.deadline.left())  # type: ignore[attr-defined]
        return super().recv(*args, **more)  # type: ignore[misc,no-any-return]

    def sendall(self, *args: Any, **more: Any) -> None:
        self.settimeout(self.deadline.left())  # type: ignore[attr-defined]
        super().sendall(*args, **more)  # type: ignore[misc]


class PlainSocket(_Timed, socket.socket):
    """A TCP socket under a deadline."""


class TlsSocket(_Timed, ssl.SSLSocket):
    """The same with TLS on it."""


def dial(host: str, port: int, deadline: Deadline, window: int | None = None) -> PlainSocket:
    """A connection to the first address of `host` that answers. `window` bounds what is received unread.

    Raises OSError.
    """
    addresses = _resolve(host, port, deadline)
    problem: OSError = OSError(f"{host} has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        connection = PlainSocket(family, kind, protocol)
        connection.deadline = deadline
        try:
            if window is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            connection.settimeout(deadline.left() / (len(addresses) - index))
            connection.connect(address)
        except OSError as error:
            connection.close()
            problem = error
            continue
        except BaseException:
            connection.close()
            raise
        return connection
    raise problem


def _resolve(host: str, port: int, deadline: Deadline) -> list[Any]:
    """getaddrinfo in a thread of its own, as it knows no timeout. Raises socket.gaierror, OutOfTime."""
    outcome: list[Any] = []

    def ask() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            outcome.append(error)
        except UnicodeError:  # a label above 63 characters
            outcome.append(socket.gaierror(socket.EAI_NONAME, "not a host name"))

    thread = threading.Thread(target=ask, daemon=True, name=f"resolve {host}")
    thread.start()
    thread.join(deadline.left())
    if not outcome:
        raise OutOfTime
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return list(outcome[0])


def secure(connection: socket.socket, context: ssl.SSLContext, host: str, deadline: Deadline, **more: Any) -> TlsSocket:
    """TLS on `connection`, the certificate verified for `host`. Raises OSError; closes `connection` then."""
    try:
        connection.settimeout(deadline.left())
        wrapped = cast(TlsSocket, context.wrap_socket(connection, server_hostname=host, **more))
    except BaseException:
        connection.close()
        raise
    wrapped.deadline = deadline
    return wrapped


@functools.lru_cache(maxsize=8)
def tls_context(ca_file: str | None, system_only: bool = False) -> ssl.SSLContext:
    """Trust in the system's certificates and those of `ca_file`; read once. Raises Failed.

    `system_only` is the trust of a program that knows no SSL_CERT_FILE either: the bundle that OpenSSL was built with.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if system_only:
        paths = ssl.get_default_verify_paths()
        _load(context, paths.openssl_cafile, None)
        _load(context, None, paths.openssl_capath)
    else:
        context.load_default_certs()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            why = "it holds no certificates" if isinstance(error, ssl.SSLError) else _plain(error)
            raise Failed(f"the certificate file {ca_file!r} cannot be used: {why}") from None
    context.sslsocket_class = TlsSocket
    return context


def _load(context: ssl.SSLContext, cafile: str | None, capath: str | None) -> None:
    try:
        context.load_verify_locations(cafile, capath)
    except OSError:
        return  # the system has the bundle in one of the two forms


class CertificateRefused(Unreadable):
    """The server's certificate is not one of who it should be, or is signed by nobody who is trusted."""


def unreadable(url: str, reason: str, hint: str | None = None) -> Unreadable:
    """The error for the file at `url`."""
    return Unreadable(f"{url!r} cannot be read", reason, hint)


def explained(url: str, place: str, deadline: Deadline, error: Exception) -> Unreadable:
    """What the server at `place` (host:port) or the network did, in one line; never the server's own words."""
    hint = None
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "if it is signed by your own authority: --ca-file FILE, or net.ca_file in the configuration"
        return CertificateRefused(f"{url!r} cannot be read", _cause(place, deadline, error), hint)
    if isinstance(error, ssl.SSLError) and "WRONG_VERSION" in (error.reason or ""):
        hint = "https and ftps start with TLS: is the port right?"
    return unreadable(url, _cause(place, deadline, error), hint)


def _cause(place: str, deadline: Deadline, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"{place} did not answer in full within {deadline.seconds:g} seconds"
    if isinstance(error, socket.gaierror):
        host = place.rpartition(":")[0]
        again = error.errno == socket.EAI_AGAIN
        return f"{host}: its name cannot be resolved at the moment" if again else f"{host}: no such host is known"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not valid: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {place} failed: {(error.reason or 'connection closed').lower().replace('_', ' ')}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {place}"
    if isinstance(error, http.client.RemoteDisconnected | EOFError):
        return f"{place} hung up without an answer"
    if isinstance(error, ConnectionError):
        return f"{place} cut the connection"
    if isinstance(error, http.client.IncompleteRead):
        return f"{place} hung up in the middle of its answer"
    if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol):
        return f"{place} does not speak HTTP"
    if isinstance(error, FtpError):
        return f"{place} does not speak FTP as it should"
    if isinstance(error, OSError):
        return f"{place}: {_plain(error)}"
    return f"{place} answered with headers that make no sense"


def _plain(error: OSError | ValueError) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or "not usable"
    return text[:1].lower() + text[1:]
