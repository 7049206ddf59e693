"""An image behind a web server, as a Source made of range requests.

206 is a part as asked for; 200 is the whole, read up to what is needed and hung up on (RFC 9110 14, 15.3).
"""

import http.client

from kimchictl.media.remote import wire
from kimchictl.media.remote.answers import content_range, last_modified, refuse_encoding, whole_length
from kimchictl.media.remote.forward import Forward
from kimchictl.media.remote.http import Client
from kimchictl.media.remote.settings import NetSettings
from kimchictl.media.remote.source import RemoteSource

_DESCRIPTORS = 16 * 2048
_MARKS = (b"CD001", b"BEA01", b"NSR02", b"NSR03")


class HttpSource(RemoteSource):
    """An image read with range requests; `size` and `mtime` come with the first answer."""

    __slots__ = ("_client", "_forward", "_response", "_web_page")

    def __init__(self, url: str, net: NetSettings) -> None:
        super().__init__(url)
        self._client = Client(url, net, window=wire.PROBE_WINDOW)
        self._response: http.client.HTTPResponse | None = None
        self._forward: Forward | None = None
        self._web_page = False

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end. Raises Unreadable, Failed."""
        data = b""
        while len(data) < size and (self.size is None or offset + len(data) < self.size):
            piece = self._read_some(offset + len(data), size - len(data))
            if not piece:
                break
            data += piece
        if self._web_page and offset <= _DESCRIPTORS and data[_DESCRIPTORS - offset + 1 :][:5] not in _MARKS:
            raise self._client.fail(f"{self._client.address.place} answered with a web page")
        return data

    def close(self) -> None:
        """Hang up."""
        if self._response is not None:
            self._response.close()
        self._client.close()

    def _read_some(self, offset: int, size: int) -> bytes:
        if self._forward is not None:
            with self._client.explaining():
                return self._forward.at(offset, size)
        response = self._client.request("GET", {"Range": f"bytes={offset}-{offset + size - 1}"})
        with self._client.explaining():
            if response.status == 206:
                return self._part(response, offset, size)
            if response.status == 200:
                return self._whole(response, offset, size)
            if response.status == 416:
                return self._beyond(response, offset)
            raise self._client.refusal(response.status)

    def _part(self, response: http.client.HTTPResponse, offset: int, size: int) -> bytes:
        """A part as asked for, or its beginning: a server may send less at a time."""
        self._learn(response)
        found = content_range(response)
        if found is None or found[0] != offset or found[1] >= offset + size:
            raise self._client.fail(f"{self._client.address.place} answered with another part than was asked for")
        first, last, total = found
        length = last - first + 1
        if total is not None:
            self.size = total
        data = _read_exactly(response, length)
        if response.chunked and not response.isclosed():
            response.read(1)  # the last chunk, which says that there is none
        if not response.isclosed():
            self._client.close()  # there is more than it announced
        return data

    def _whole(self, response: http.client.HTTPResponse, offset: int, size: int) -> bytes:
        """A server that ignores ranges: go on in this answer as long as the source is read."""
        self._learn(response)
        if response.length is not None:
            self.size = response.length
        self._response = response
        self._forward = Forward(lambda wanted: self._next(response, wanted), self._client.fail)
        return self._forward.at(offset, size)

    def _next(self, response: http.client.HTTPResponse, wanted: int) -> bytes:
        data = response.read(wanted)
        if len(data) < wanted and response.length:
            raise http.client.IncompleteRead(data)
        return data

    def _beyond(self, response: http.client.HTTPResponse, offset: int) -> bytes:
        length = whole_length(response)
        place = self._client.address.place
        if length is None or length > offset:
            raise self._client.fail(f"{place} answered 416 Range Not Satisfiable for a part that should be there")
        self.size = length
        if offset <= _DESCRIPTORS:
            raise self._client.fail(f"{place} has only {self.size} bytes there, which is too short for an image")
        self._client.close()
        return b""

    def _learn(self, response: http.client.HTTPResponse) -> None:
        refuse_encoding(self._client, response)
        self.ranges, self.chain = response.status == 206, tuple(self._client.chain)
        self.mtime = last_modified(response)
        self._web_page = response.headers.get_content_type() in ("text/html", "application/xhtml+xml")


def _read_exactly(response: http.client.HTTPResponse, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = response.read(length - len(data))
        if not piece:
            raise http.client.IncompleteRead(data)
        data += piece
    return data
