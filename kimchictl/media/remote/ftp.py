"""FTP and FTPS: an image read from an offset with REST (RFC 959, 3659), the data connection cut when it is enough.

ftps is TLS from the first byte on port 990, as it is to qemu and curl; the data connection resumes the control
connection's session, which servers ask for to know that both come from the same client.
"""

import ftplib
import http.client
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, cast

from kimchictl.errors import Invalid, KimchiError
from kimchictl.media.remote import wire
from kimchictl.media.remote.address import Address, credentials_hint, parse_address
from kimchictl.media.remote.credentials import credentials_for
from kimchictl.media.remote.forward import Forward
from kimchictl.media.remote.settings import NetSettings
from kimchictl.media.remote.source import RemoteSource
from kimchictl.media.source import Unreadable

_MOST_HEARD = 64 << 10  # bytes of replies in one session
_STAMP = re.compile(r"213 (\d{14})(?:\.\d+)?")
_CLOSE_PATIENCE = 2.0  # seconds that a server has to say that it noticed the end of a transfer


class Session(ftplib.FTP):
    """A control connection, logged in, in binary mode. Everything happens by `deadline`."""

    def __init__(
        self,
        address: Address,
        net: NetSettings,
        deadline: wire.Deadline,
        window: int | None = None,
        system_trust: bool = False,
    ) -> None:
        super().__init__(encoding="utf-8")
        self._address, self._deadline, self._window = address, deadline, window
        self._context = None
        if address.scheme == "ftps":
            self._context = wire.tls_context(None if system_trust else net.ca_file, system_trust)
        self._heard = 0
        found = credentials_for(address.host, net, default=True)
        self.host = address.host
        sock: socket.socket = wire.dial(address.host, address.port, deadline)
        if self._context is not None:
            sock = wire.secure(sock, self._context, address.host, deadline)
        self.sock, self.af = sock, sock.family
        self.file = sock.makefile("r", encoding=self.encoding, errors="replace")
        self.welcome = self.getresp()
        self.login(found.user if found else "anonymous", found.password if found else "anonymous@")
        if self._context is not None:
            self.voidcmd("PBSZ 0")  # RFC 4217 8: the data connection is protected, too
            self.voidcmd("PROT P")
        self.voidcmd("TYPE I")

    def getline(self) -> str:
        """A line of a reply; a server that talks without end is stopped."""
        line = super().getline()
        self._heard += len(line) + 2
        if self._heard > _MOST_HEARD:
            raise ftplib.error_reply("too many replies")  # noqa: S321
        return line

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """A passive data connection to the server's own address, whatever address it names."""
        host, port = self.makepasv()
        data: socket.socket = wire.dial(host, port, self._deadline, self._window)
        try:
            if rest:
                self.sendcmd(f"REST {rest}")
            reply = self.sendcmd(cmd)
            if reply[0] == "2":  # some servers answer twice, before and after they connect
                reply = self.getresp()
            if reply[0] != "1":
                raise ftplib.error_reply(reply)  # noqa: S321
            if self._context is not None:
                more: dict[str, Any] = {"session": self.sock.session} if isinstance(self.sock, wire.TlsSocket) else {}
                data = wire.secure(data, self._context, self._address.host, self._deadline, **more)
        except BaseException:
            data.close()
            raise
        return data, None

    def end_transfer(self) -> bool:
        """Hear what the server says of a transfer that is over or was cut; whether the session can go on."""
        patience = wire.Deadline(min(_CLOSE_PATIENCE, self._deadline.left()))
        sock = cast("wire.PlainSocket | wire.TlsSocket", self.sock)
        sock.deadline, usual = patience, sock.deadline
        try:
            self.voidresp()
        except ftplib.error_temp:
            return True  # 426: cut, as meant
        except (OSError, EOFError, ftplib.Error):
            return False
        finally:
            sock.deadline = usual
        return True


class FtpFile:
    """One file of an FTP server, opened for reading at any offset, again and again."""

    def __init__(
        self,
        url: str,
        net: NetSettings,
        deadline: wire.Deadline | None = None,
        window: int | None = None,
        system_trust: bool = False,
    ) -> None:
        self.url, self.address = url, parse_address(url)
        self.deadline = deadline or wire.Deadline(net.timeout)
        self._net, self._window, self._system_trust = net, window, system_trust
        self._session: Session | None = None
        self._data: socket.socket | None = None
        try:
            self._path = self.address.path.decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(f"the path of {url!r} is not UTF-8") from None
        if not self._path or re.search(r"[\r\n\0]", self._path):
            raise Invalid(f"{url!r} names no file")

    def facts(self) -> tuple[int | None, float | None]:
        """Size in bytes and time of change, each None where the server does not tell."""
        with self.explaining():
            session = self._connected()
            size = mtime = None
            with suppress(ftplib.error_perm, ValueError):
                size = session.size(self._path)
            with suppress(ftplib.error_perm, ValueError):
                match = _STAMP.fullmatch(session.sendcmd(f"MDTM {self._path}"))
                stamp = datetime.strptime(match[1], "%Y%m%d%H%M%S") if match else None
                mtime = stamp.replace(tzinfo=UTC).timestamp() if stamp else None
        return (size if size is None or 0 <= size < 1 << 60 else None), mtime

    def restarts(self) -> bool:
        """Whether the server can begin a transfer in the middle (RFC 3659 5)."""
        with self.explaining():
            session = self._connected()
            try:
                session.sendcmd("REST 1")
                session.sendcmd("REST 0")
            except ftplib.error_perm:
                return False
        return True

    def open(self, offset: int) -> int:
        """Begin a transfer at `offset`; where it really begins is returned: 0 if the server cannot start elsewhere."""
        with self.explaining():
            self._cut()
            session = self._connected()
            try:
                self._data, _ = session.ntransfercmd(f"RETR {self._path}", offset or None)
            except ftplib.error_perm as error:
                if not offset or error.args[0][:3] not in ("500", "501", "502", "504"):  # RFC 3659 5.4
                    raise
                self._data, _ = session.ntransfercmd(f"RETR {self._path}")
                return 0
        return offset

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the transfer; none at its end."""
        with self.explaining():
            return self._data.recv(size) if self._data is not None else b""

    def finish(self) -> None:
        """The transfer has come to its end: the server must say so, else the file is not whole. Raises Unreadable."""
        if self._session is None or self._data is None:
            return
        self._data.close()
        self._data = None
        with self.explaining():
            self._session.voidresp()

    def close(self) -> None:
        if self._data is not None:
            self._data.close()
            self._data = None
        if self._session is not None:
            self._session.close()
            self._session = None

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """What goes wrong within, in words; the connection is closed then."""
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            self.close()
            raise self._refusal(error.args[0][:3]) from None
        except (OSError, EOFError, UnicodeError, ftplib.Error, http.client.HTTPException) as error:
            self.close()
            raise wire.explained(self.url, self.address.place, self.deadline, error) from None
        except KimchiError:
            self.close()
            raise

    def fail(self, reason: str, hint: str | None = None) -> Unreadable:
        """The error for this URL."""
        return wire.unreadable(self.url, reason, hint)

    def _refusal(self, code: str) -> Unreadable:
        place = self.address.place
        if code in ("430", "530", "332", "532"):
            return self.fail(f"{place} answered {code}: the login is refused", credentials_hint(self.address.host))
        if code in ("550", "553", "450"):
            return self.fail(f"{place} answered {code}: no such file, or it may not be read")
        return self.fail(f"{place} answered {code if code.isdecimal() else 'an error'}")

    def _connected(self) -> Session:
        if self._session is None:
            self._session = Session(self.address, self._net, self.deadline, self._window, self._system_trust)
        return self._session

    def _cut(self) -> None:
        if self._data is None:
            return
        self._data.close()
        self._data = None
        if self._session is not None and not self._session.end_transfer():
            self._session.close()
            self._session = None


class FtpSource(RemoteSource):
    """An image on an FTP server; `size` and `mtime` come with the first read."""

    __slots__ = ("_asked", "_file", "_forward")

    def __init__(self, url: str, net: NetSettings) -> None:
        super().__init__(url)
        self._file = FtpFile(url, net, window=wire.PROBE_WINDOW)
        self._asked = False
        self._forward: Forward | None = None

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end. Raises Unreadable, Failed."""
        if not self._asked:
            self.size, self.mtime = self._file.facts()
            self._asked = True
        if self._forward is None and self.size is not None and offset >= self.size:
            return b""
        if self._forward is None:
            self.ranges = self._file.open(offset) == offset
            if self.ranges:
                return self._piece(size)
            self._forward = Forward(self._file.read, self._file.fail)
        return self._forward.at(offset, size)

    def _piece(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := self._file.read(size - len(data))):
            data += piece
        return data

    def close(self) -> None:
        """Hang up."""
        self._file.close()
