"""Checksums of images: `sha256:HEX`, or a line of a sums file in one of the forms that projects publish.

    HEX  name              coreutils; HEX *name for binary
    SHA256 (name) = HEX    BSD, and coreutils' --tag
    HEX                    alone, in a file that is for one image

Lines of a PGP signature and comments are passed over. MD5 and SHA-1 prove nothing any more and do not count.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kimchictl.errors import Invalid

ALGORITHMS = {64: "sha256", 128: "sha512"}

_GNU = re.compile(r"\\?([0-9a-fA-F]{64,128})(?:[ \t]+\*?(.+))?")
_BSD = re.compile(r"(SHA-?\d{3}) ?\((.+)\) ?= ?([0-9a-fA-F]{64,128})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` is a name that hashlib knows, `digest` lower-case hex."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def parse_sums(text: str) -> dict[str, Checksum]:
    """The checksums in a sums file by name (the last part of a path; "" where there is none), the strongest of each."""
    found: dict[str, Checksum] = {}
    for line in text.splitlines():
        pair = _line(line.strip())
        if pair is not None and len(found.get(pair[0], pair[1]).digest) <= len(pair[1].digest):
            found[pair[0]] = pair[1]
    return found


def _line(line: str) -> tuple[str, Checksum] | None:
    if tagged := _BSD.fullmatch(line):
        name, digest = tagged[2], tagged[3]
        if ALGORITHMS.get(len(digest)) != tagged[1].lower().replace("-", ""):
            return None
    elif plain := _GNU.fullmatch(line):
        name, digest = plain[2] or "", plain[1]
    else:
        return None
    algorithm = ALGORITHMS.get(len(digest))
    return (name.strip().rpartition("/")[2], Checksum(algorithm, digest.lower())) if algorithm else None


def find_sum(text: str, names: Sequence[str], sums_name: str) -> Checksum | None:
    """The checksum of the first of `names` in a sums file called `sums_name`, or None.

    A file with one entry whose own name begins with the image's is about that image, whatever the entry is called:
    behind a link to the current build stands the name of that build.
    """
    found = parse_sums(text)
    for name in names:
        if name in found:
            return found[name]
    alone = len(set(found.values())) == 1 and any(name and sums_name.startswith(name) for name in names)
    return next(iter(found.values())) if alone else None


def parse_checksum(text: str) -> Checksum | None:
    """The checksum that is given as ALGORITHM:HEX, None for the URL of a sums file. Raises Invalid for neither."""
    if "://" in text:
        return None
    algorithm, _, digest = text.partition(":")
    if not re.fullmatch(r"[0-9a-fA-F]+", digest) or ALGORITHMS.get(len(digest)) != algorithm:
        raise Invalid(f"checksum {text[:80]!r} is neither sha256:HEX nor the URL of a sums file")
    return Checksum(algorithm, digest.lower())
