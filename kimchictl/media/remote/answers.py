"""What the headers of a server's answer say: how it is encoded, how old it is, which part of the whole (RFC 9110)."""

import http.client
import re
from email.utils import parsedate_to_datetime

from kimchictl.media.remote.http import Client

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)
_NO_SUCH_RANGE = re.compile(r"bytes \*/(\d{1,18})", re.IGNORECASE)


def refuse_encoding(client: Client, response: http.client.HTTPResponse) -> None:
    """Raises Unreadable for a compressed answer, which nobody asked for."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise client.fail(f"{client.address.place} answered with compressed data, though asked not to")


def last_modified(response: http.client.HTTPResponse) -> float | None:
    """Seconds since the epoch, or None."""
    try:
        return parsedate_to_datetime(response.headers.get("Last-Modified", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def content_range(response: http.client.HTTPResponse) -> tuple[int, int, int | None] | None:
    """First and last byte, and the whole length if known, of a 206; None where they make no sense (RFC 9110 14.4)."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None:
        return None
    first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    return (first, last, total) if first <= last and (total is None or last < total) else None


def whole_length(response: http.client.HTTPResponse) -> int | None:
    """The length of the file that a 416 tells, None where it does not (RFC 9110 15.5.17)."""
    match = _NO_SUCH_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match else None
