"""A web server for tests: in threads, on 127.0.0.1, counting what it was asked and what it sent, as bad as wanted.

    with WebServer() as server:
        server.files["/a.iso"] = Served(content, ranges=False)
        server.url("/a.iso"), server.requests, server.connections

Its send buffers are as small as the kernel allows, so that `Request.sent` is about what the client really took.
A CONNECT or a whole URL in a request makes it a proxy to itself: `server.proxied` has what was asked that way.
"""

from __future__ import annotations

import base64
import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_PIECE = 1024


@dataclass
class Served:
    """What lies under a path, and how the server misbehaves for it."""

    content: bytes = b""
    status: int | None = None  # instead of 200 or 206
    ranges: bool = True  # False: the whole file, whatever was asked
    head_status: int | None = None  # 405: HEAD is not answered
    headers: dict[str, str] = field(default_factory=dict)
    location: str | None = None  # with status 302
    user: str | None = None  # "user:password" that is asked for
    content_range: str | None = None  # a lie instead of the right one
    length: bool = True  # False: no Content-Length, the end is where the connection ends
    accept_ranges: bool = True
    endless: bool = False
    pause: float = 0  # seconds between any two bytes
    header_pause: float = 0  # the same within the headers
    reset_after: int | None = None  # bytes of body, then RST
    hang_after: int | None = None  # bytes of body, then nothing more
    resets: int = 1 << 30  # how often that happens
    keep: bool = True  # False: Connection: close
    silent: bool = False  # no answer at all
    raw: bytes | None = None  # this instead of HTTP


@dataclass
class Request:
    """A request as it came; `sent` counts bytes of body."""

    method: str
    target: str
    headers: dict[str, str]
    connection: int
    sent: int = 0


class TcpServer:
    """Accepts on 127.0.0.1 and serves each connection in a daemon thread."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.connections = 0
        self.closing = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Any:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._guard, args=(connection, self.connections), daemon=True).start()

    def _guard(self, connection: socket.socket, number: int) -> None:
        self._open.add(connection)
        with contextlib.suppress(OSError, ValueError):
            secured = self.secure(connection)
            self.serve(secured, number)
            secured.close()
        self._open.discard(connection)
        connection.close()

    def secure(self, connection: socket.socket) -> socket.socket:
        return self.context.wrap_socket(connection, server_side=True) if self.context else connection

    def serve(self, connection: socket.socket, number: int) -> None:
        raise NotImplementedError


class WebServer(TcpServer):
    """HTTP/1.1 as far as clients of images need it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.files: dict[str, Served] = {}
        self.requests: list[Request] = []
        self.proxied: list[Request] = []
        self.inner: Callable[[socket.socket], None] | None = None

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def sent(self) -> int:
        """Bytes of body, of all requests; of the last piece the client may know before it is counted."""
        total = -1
        while total != (now := sum(request.sent for request in self.requests)):
            total = now
            time.sleep(0.02)
        return total

    def serve(self, connection: socket.socket, number: int) -> None:
        reader = connection.makefile("rb")
        if reader.peek(1)[:1] == b"\x16":  # a TLS handshake, where none was expected: as nginx answers it
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        while (request := _read_request(reader, number)) is not None:
            if request.method == "CONNECT":
                self.proxied.append(request)
                self._tunnel(connection, request)
                return
            if "://" in request.target:
                self.proxied.append(request)
                request.target = re.sub(r"^[a-z]+://[^/]*", "", request.target)
            self.requests.append(request)
            if not self._answer(connection, request):
                return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Whether the connection goes on."""
        served = self.files.get(request.target, Served(b"no such file", status=404))
        if served.silent:
            select.select([connection], [], [], 60)
            return False
        if served.raw is not None:
            connection.sendall(served.raw)
            return False
        if served.user and request.headers.get("authorization") != _basic(served.user):
            served = Served(b"who are you?", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        if request.method == "HEAD" and served.head_status:
            served = Served(b"", status=served.head_status)
        status, headers, body = _made(served, request)
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        _send_slowly(connection, "\r\n".join(lines).encode("latin-1"), served.header_pause)
        return request.method == "HEAD" or self._send_body(connection, request, served, body)

    def _send_body(self, connection: socket.socket, request: Request, served: Served, body: bytes) -> bool:
        reset_after = None
        if served.reset_after is not None and served.resets > 0:
            served.resets -= 1
            reset_after = served.reset_after
        while body:
            step = 1 if served.pause else _PIECE
            piece = body[:step] if reset_after is None else body[: min(step, reset_after - request.sent)]
            if not piece:
                _reset(connection)
                return False
            if served.hang_after is not None and request.sent >= served.hang_after:
                select.select([connection], [], [], 60)
                return False
            connection.sendall(piece)
            request.sent += len(piece)
            body = body[len(piece) :] or (body if served.endless else b"")
            if served.pause:
                time.sleep(served.pause)
        return served.keep and served.length

    def _tunnel(self, connection: socket.socket, request: Request) -> None:
        host, _, port = request.target.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            connection.sendall(b"HTTP/1.1 200 go on\r\n\r\n")
            pairs = {connection: other, other: connection}
            while True:
                ready, _, _ = select.select(list(pairs), [], [], 30)
                for one in ready or [None]:
                    data = one.recv(65536) if one else b""
                    if not data:
                        return
                    pairs[one].sendall(data)


def _read_request(reader: Any, number: int) -> Request | None:
    line = reader.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while (text := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line[0], line[1], headers, number)


def _made(served: Served, request: Request) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    body, status = served.content, served.status or 200
    headers = {}
    if served.location is not None:
        return status, {"Location": served.location, "Content-Length": "0"}, b""
    if served.accept_ranges and served.ranges:
        headers["Accept-Ranges"] = "bytes"
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if condition is not None and condition not in (served.headers.get("ETag"), served.headers.get("Last-Modified")):
        wanted = None
    if wanted and served.ranges and served.status is None:
        first, last = int(wanted[1]), min(int(wanted[2] or len(body) - 1), len(body) - 1)
        if first >= len(body):
            return 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}, b""
        status = 206
        headers["Content-Range"] = served.content_range or f"bytes {first}-{last}/{len(body)}"
        body = body[first : last + 1]
    if served.length:
        headers["Content-Length"] = str(len(body))
    if not served.keep or not served.length:
        headers["Connection"] = "close"
    return status, {**headers, **served.headers}, body


def _basic(user: str) -> str:
    return "Basic " + base64.b64encode(user.encode()).decode()


def _send_slowly(connection: socket.socket, data: bytes, pause: float) -> None:
    if not pause:
        connection.sendall(data)
        return
    for at in range(len(data)):
        connection.sendall(data[at : at + 1])
        time.sleep(pause)


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
