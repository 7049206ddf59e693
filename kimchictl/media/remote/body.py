"""A file behind a URL from an offset on, to its end: what a download is made of.

    with open_body(url, net, offset=4096, validator='"abc"') as body:
        body.start        where it really begins: 0 when the server cannot, or the file is not the same any more
        body.size         of the whole file in bytes, or None
        body.validator    names this version of the file, or None
        body.read()       the next piece, empty at the end; a body that ends too early raises

The deadline is one of standing still: it starts anew with every piece.
"""

import http.client
from email.message import Message
from types import TracebackType
from typing import Self

from kimchictl.errors import Invalid
from kimchictl.media.remote.address import parse_address
from kimchictl.media.remote.answers import content_range, last_modified, refuse_encoding, whole_length
from kimchictl.media.remote.ftp import FtpFile
from kimchictl.media.remote.http import Client
from kimchictl.media.remote.proxies import speaks_http
from kimchictl.media.remote.settings import NetSettings

PIECE = 64 << 10  # bytes that must come within net.timeout


class Body:
    """See the module. `names` are the names that the file has, first by its own URL, then where redirects led."""

    def __init__(self) -> None:
        self.start = 0
        self.size: int | None = None
        self.mtime: float | None = None
        self.validator: str | None = None
        self.web_page = False
        self.names: tuple[str, ...] = ()

    def read(self) -> bytes:
        """The next piece, empty at the end. Raises Unreadable."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_body(url: str, net: NetSettings, offset: int = 0, validator: str | None = None) -> Body:
    """The file at `url` from `offset`, if it is still the one that `validator` names. Raises Invalid, Failed."""
    return (_HttpBody if speaks_http(parse_address(url)) else _FtpBody)(url, net, offset, validator)


def read_text(url: str, net: NetSettings, limit: int = 1 << 20) -> tuple[str, tuple[str, ...]]:
    """A small text file and its names. Raises Failed, Invalid where it has more than `limit` bytes."""
    data = b""
    with open_body(url, net) as body:
        while piece := body.read():
            data += piece
            if len(data) > limit:
                raise Invalid(f"{url!r} is larger than the {limit >> 10} KiB that such a file may have")
        return data.decode("utf-8", "replace"), body.names


class _HttpBody(Body):
    def __init__(self, url: str, net: NetSettings, offset: int, validator: str | None) -> None:
        super().__init__()
        self._client = client = Client(url, net)
        try:
            response = client.request("GET", _range_from(offset, validator))
            if response.status == 416 and whole_length(response) != offset:
                client.close()  # it is shorter than what there is of it already: another file
                response = client.request("GET")
            if response.status == 416:  # there is all of it already
                self.start = self.size = offset
            elif response.status not in (200, 206):
                raise client.refusal(response.status)
            refuse_encoding(client, response)
            if response.status == 206:
                found = content_range(response)
                if found is None or found[0] != offset:
                    raise client.fail(f"{client.address.place} answered with another part than was asked for")
                self.start, self.size = offset, found[2]
            elif response.status == 200:
                self.size = response.length
        except BaseException:
            client.close()
            raise
        self._response = response
        self.mtime, self.validator = last_modified(response), _validator(response.headers)
        self.web_page = response.headers.get_content_type() in ("text/html", "application/xhtml+xml")
        self.names = tuple(dict.fromkeys([parse_address(url).file_name, client.address.file_name]))

    def read(self) -> bytes:
        if self._response.status == 416:
            return b""
        self._client.deadline.restart()
        with self._client.explaining():
            data = self._response.read(PIECE)
            if not data and self._response.length:
                raise http.client.IncompleteRead(data)
        return data

    def close(self) -> None:
        self._response.close()
        self._client.close()


def _range_from(offset: int, validator: str | None) -> dict[str, str]:
    if not offset:
        return {}
    return {"Range": f"bytes={offset}-", **({"If-Range": validator} if validator else {})}


def _validator(headers: Message) -> str | None:
    """What If-Range takes: a strong ETag, else the time of change (RFC 9110 13.1.5)."""
    etag, stamp = str(headers.get("ETag", "")), str(headers.get("Last-Modified", ""))
    usable = etag if etag and not etag.startswith("W/") else stamp
    return usable if usable and usable.isascii() and usable.isprintable() and len(usable) < 256 else None


class _FtpBody(Body):
    def __init__(self, url: str, net: NetSettings, offset: int, validator: str | None) -> None:
        super().__init__()
        self._file = FtpFile(url, net)
        try:
            self.size, self.mtime = self._file.facts()
            self.validator = None if self.mtime is None else f"{self.mtime}"
            same = validator in (None, self.validator) and (self.size is None or offset <= self.size)
            self.start = self._file.open(offset if same else 0)
        except BaseException:
            self._file.close()
            raise
        self.names = (self._file.address.file_name,)
        self._done = self.start

    def read(self) -> bytes:
        self._file.deadline.restart()
        data = self._file.read(PIECE)
        self._done += len(data)
        if not data:
            self._file.finish()
            if self.size is not None and self._done < self.size:
                raise self._file.fail(f"{self._file.address.place} hung up in the middle of the file")
        return data

    def close(self) -> None:
        self._file.close()
