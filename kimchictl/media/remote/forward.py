"""Reading at offsets of a stream that only goes forward: a server that ignores ranges, FTP without REST."""

from collections.abc import Callable

from kimchictl.media.source import Unreadable

MOST_SKIPPED = 32 << 20  # bytes that are read and thrown away on the way to an offset
_KEEP_FROM, _KEPT = 16 * 2048, 128 << 10  # what descriptors are read from, and may be looked at twice
_PIECE = 16 << 10


class Forward:
    """`read(n)` gives up to n bytes of the stream, none at its end; `at(offset, size)` reads on to what is wanted."""

    def __init__(self, read: Callable[[int], bytes], fail: Callable[[str], Unreadable]) -> None:
        self._read, self._fail = read, fail
        self._position = 0
        self._kept = bytearray()

    def at(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`, fewer only at the end. Raises Unreadable."""
        if offset < self._position:
            return self._again(offset, size)
        if offset - self._position > MOST_SKIPPED:
            raise self._fail(
                f"the server does not send parts of a file, and what is needed lies {offset >> 20} MiB behind its start"
            )
        while self._position < offset:
            if not self._take(min(offset - self._position, _PIECE)):
                return b""
        data = b""
        while len(data) < size and (piece := self._take(size - len(data))):
            data += piece
        return data

    def _take(self, size: int) -> bytes:
        piece = self._read(size)
        kept_end = _KEEP_FROM + len(self._kept)
        if self._position <= kept_end < self._position + len(piece) and len(self._kept) < _KEPT:
            self._kept += piece[kept_end - self._position :]
        self._position += len(piece)
        return piece

    def _again(self, offset: int, size: int) -> bytes:
        """What went by already, as far as it was kept; then on in the stream."""
        start = offset - _KEEP_FROM
        if start < 0 or offset + min(size, 1) > _KEEP_FROM + len(self._kept):
            raise self._fail("the server does not send parts of a file, and what is needed lies behind")
        data = bytes(self._kept[start : start + size])
        rest = size - len(data)
        return data + self.at(self._position, rest) if rest and offset + len(data) == self._position else data
