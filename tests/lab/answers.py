"""Answers of web servers that are wrong on purpose, the same ones for the same seed.

answer(seed, content)        the raw bytes of one answer to a request for an image
examine(server, seed, ...)   probes an image that is answered for so: what should not have happened, or None
"""

from __future__ import annotations

import random
import unicodedata

from kimchictl.errors import KimchiError
from kimchictl.media.descriptors import read_media
from kimchictl.media.remote import NetSettings, open_url
from lab.web import Served, WebServer

HOSTILE = "\x1b]0;owned\x07"  # must never come back in a message

_STATUS = (
    "HTTP/1.1 200 OK",
    "HTTP/1.1 206 Partial Content",
    "HTTP/1.0 200",
    "HTTP/1.1 302 Found",
    "HTTP/1.1 416 Nope",
    "HTTP/1.1 999 " + HOSTILE,
    "HTTP/1.1 -1 x",
    "HTTP/1.1 20x OK",
    "HTTP/9.9 200 OK",
    "ICY 200 OK",
    "HTTP/1.1",
    "",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 401 Unauthorized",
    "HTTP/1.1 503 " + "x" * 70_000,
)
_NUMBERS = (
    "0",
    "-1",
    "1",
    "24576",
    "8192",
    "18446744073709551616",
    "9" * 5000,
    "1e9",
    "0x10",
    "",
    " 12",
    "12, 13",
    "٣",
)
_LOCATIONS = (
    "/x",
    "",
    "//",
    "//[",
    "http://[::1",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user:secret@127.0.0.1/",
    "ftp://127.0.0.1:1/x",
    "gopher://x",
    "http:///x",
    "\\\\host\\x",
    "http://127.0.0.1\r\nX: y",
    "http://" + "a" * 5000,
    "http://\u202e/",
    "http://xn--\x7f/",
    HOSTILE,
    "/%00%0a" + "../" * 50,
)
_ODD_HEADERS = (
    "X" * 70_000,
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Content-Encoding: gzip",
    ": nameless",
    "No colon",
    " folded",
    "Last-Modified: " + "9" * 400,
    "Last-Modified: Fri, 31 Feb 99999 00:00:00 GMT",
    "Last-Modified: " + HOSTILE,
    "Connection: close",
    "Connection: upgrade",
    "Trailer: x",
    "ETag: \0",
    "Date: \xff",
    "WWW-Authenticate: Basic realm=" + HOSTILE,
    "WWW-Authenticate: Digest " + "," * 5000,
    "Accept-Ranges: " + HOSTILE,
)
_CHUNKS = (
    b"0\r\n\r\n",
    b"-1\r\nxx\r\n",
    b"FFFFFFFFFFFFFFFFFF\r\n",
    b"zz\r\n",
    b"1" * 70_000,
    b"2000;" + b"e" * 9000 + b"\r\n",
)


def answer(seed: int, content: bytes) -> bytes:
    """Headers that lie about the body, or are none; now and then noise, or something cut off anywhere."""
    chance = random.Random(seed)  # noqa: S311 - to be had again, not to be secret
    lines = [chance.choice(_STATUS)] * chance.choice((1, 1, 1, 2))
    first, last, whole = (chance.choice((*_NUMBERS, "32768", "40959", str(len(content)))) for _ in range(3))
    named = (
        f"Content-Length: {chance.choice((*_NUMBERS, str(len(content)), '8192'))}",
        f"Content-Range: bytes {chance.choice(('32768', first))}-{chance.choice(('40959', last))}/{whole}",
        f"Location: {chance.choice(_LOCATIONS)}",
        chance.choice(_ODD_HEADERS),
        chance.choice(_ODD_HEADERS),
    )
    lines += chance.sample(named, chance.randint(0, len(named))) * chance.choice((1, 1, 1, 1, 2, 150))
    body = chance.choice((b"", content[32768:40960], content, content[:5000], chance.randbytes(9000), *_CHUNKS))
    raw = "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape") + body
    if chance.random() < 0.1:
        raw = bytes(chance.getrandbits(8) if chance.random() < 0.05 else byte for byte in raw[:2000])
    return raw[: chance.randrange(len(raw) + 1)] if chance.random() < 0.2 else raw


def examine(server: WebServer, seed: int, content: bytes, timeout: float = 2.0) -> str | None:
    """What is wrong with how the probe of seed's server went: a message of one printable line is what may come."""
    path = f"/{seed}.iso"
    server.files[path] = Served(raw=answer(seed, content))
    try:
        with open_url(server.url(path), NetSettings(timeout=timeout, netrc="/dev/null")) as source:
            read_media(source)
    except KimchiError as error:
        said = f"{error} {error.hint or ''}"
        if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in said) or len(said) > 500:
            return f"said {said!r}"
        return f"repeated a secret: {said!r}" if "secret" in said else None
    except Exception as error:  # whatever it is: the seed is what leads back to it
        return f"{type(error).__name__}: {error}"
    finally:
        del server.files[path]
    return None
