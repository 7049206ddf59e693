"""An FTP server for tests: in threads, on 127.0.0.1, counting logins, transfers and bytes (RFC 959, 3659, 4217).

With a TLS context it is FTPS from the first byte, and refuses a data connection that does not resume its session.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lab.web import TcpServer


@dataclass
class Transfer:
    path: str
    offset: int
    sent: int = 0


class FtpServer(TcpServer):
    """`files` by path without a slash in front; `user` "name:password" if it must be given."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        user: str | None = None,
        rest: bool = True,
        size: bool = True,
        pause: float = 0,
        greeting: str = "220 ready",
        cut_after: int | None = None,
    ) -> None:
        super().__init__(context)
        self.files: dict[str, bytes] = {}
        self.transfers: list[Transfer] = []
        self.user, self.rest, self.size, self.pause, self.greeting = user, rest, size, pause, greeting
        self.cut_after = cut_after
        self.cuts = 1

    def url(self, path: str) -> str:
        return f"{'ftps' if self.context else 'ftp'}://127.0.0.1:{self.port}/{path}"

    def serve(self, connection: socket.socket, number: int) -> None:
        _Conversation(self, connection).run()


class _Conversation:
    def __init__(self, server: FtpServer, control: socket.socket) -> None:
        self.server, self.control = server, control
        self.user = ""
        self.offset = 0
        self.listener: socket.socket | None = None

    def say(self, text: str) -> None:
        self.control.sendall(text.encode() + b"\r\n")

    def run(self) -> None:
        self.say(self.server.greeting)
        for line in self.control.makefile("r", encoding="utf-8", newline="\r\n"):
            word, _, rest = line.strip().partition(" ")
            handle = getattr(self, f"do_{word.lower()}", None)
            if handle is None:
                self.say("502 not here")
            else:
                handle(rest)
        if self.listener:
            self.listener.close()

    def do_user(self, name: str) -> None:
        self.user = name
        self.say("331 password?")

    def do_pass(self, password: str) -> None:
        wanted = self.server.user
        self.say("530 no" if wanted and wanted != f"{self.user}:{password}" else "230 welcome")

    def do_type(self, _rest: str) -> None:
        self.say("200 fine")

    do_pbsz = do_prot = do_type

    def do_size(self, path: str) -> None:
        if not self.server.size:
            self.say("502 not here")
        elif path in self.server.files:
            self.say(f"213 {len(self.server.files[path])}")
        else:
            self.say("550 no such file")

    def do_mdtm(self, path: str) -> None:
        self.say("213 20240102030405" if path in self.server.files else "550 no such file")

    def do_pasv(self, _rest: str) -> None:
        if self.listener:
            self.listener.close()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        port = self.listener.getsockname()[1]
        self.say(f"227 Entering Passive Mode (10,1,2,3,{port >> 8},{port & 255}).")  # an address that leads nowhere

    def do_rest(self, offset: str) -> None:
        if not self.server.rest:
            self.say("502 not here")
            return
        self.offset = int(offset)
        self.say("350 go on")

    def do_retr(self, path: str) -> None:
        content, offset, self.offset = self.server.files.get(path), self.offset, 0
        if content is None or self.listener is None:
            self.say(f"550 {PurePosixPath(path).name}: no such file")
            return
        self.say("150 coming")
        data, _ = self.listener.accept()
        transfer = Transfer(path, offset)
        self.server.transfers.append(transfer)
        try:
            data = self._secured(data)
            self._send(data, content[offset:], transfer)
        except OSError:
            self.say("426 cut")
            return
        finally:
            data.close()
        self.say("426 broken" if transfer.sent < len(content) - offset else "226 done")

    def _secured(self, data: socket.socket) -> socket.socket:
        if self.server.context is None:
            return data
        secured = self.server.context.wrap_socket(data, server_side=True)
        if not secured.session_reused:
            secured.close()
            raise OSError("not the same client")
        return secured

    def _send(self, data: socket.socket, content: bytes, transfer: Transfer) -> None:
        cut = self.server.cut_after if self.server.cuts > 0 else None
        for at in range(0, len(content), step := 1 if self.server.pause else 1024):
            if cut is not None and transfer.sent >= cut:
                self.server.cuts -= 1
                return
            piece = content[at : at + step]
            data.sendall(piece)
            transfer.sent += len(piece)
            time.sleep(self.server.pause)
        if isinstance(data, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                data.unwrap()


def talk_for_ever(server: Any) -> None:
    """Make the greeting of `server` a reply without an end."""
    server.greeting = "220-" + "\r\n220-".join(["x" * 1000] * 2000)


def main() -> None:
    """`python -m lab.ftp DIRECTORY LOG`: serve its files; prints the port, writes a line about each transfer to LOG."""
    directory, log = map(Path, sys.argv[1:3])
    with FtpServer() as server:
        server.files = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
        print(server.port, flush=True)
        logged = 0
        while True:
            for transfer in server.transfers[logged:]:
                logged += 1
                with log.open("a") as file:
                    file.write(f"{transfer.path} {transfer.offset}\n")
            time.sleep(0.05)


if __name__ == "__main__":
    main()
