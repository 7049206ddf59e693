"""Documents that are wrong on purpose, the same ones for the same seed: templates, distros, rules, osinfo-db's XML.

json_document(seed, good)    bytes of a file: a good document with values that break, or text that is no JSON
xml_document(seed, good)     the same of XML
hostile_pattern(seed)        a regular expression that may take ages, and a label on which it would
"""

from __future__ import annotations

import copy
import html
import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kimchictl.catalog.distros import parse_distro
from kimchictl.catalog.parse import parse, to_document
from kimchictl.errors import KimchiError
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_compile import compile_files
from kimchictl.media.naming.osinfo_files import find_files
from kimchictl.media.naming.rules import Labels, parse_rule
from kimchictl.media.records import Media
from kimchictl.store.documents import Unfit, decode
from lab import osinfo_tree

KINDS: dict[str, Callable[[Any, str], Any]] = {"template": parse, "distro": parse_distro, "rule": parse_rule}

_SYSTEM = {"os_distro": "debian", "os_version": "12", "os_arch": "x86_64", "memory": 2048, "vcpus": 2}
GOOD: dict[str, dict[str, Any]] = {
    "template": {
        "name": "web",
        "cdrom": "/srv/iso/debian.iso",
        "topology": {"sockets": 1, "cores": 2, "threads": 1},
        "disks": [{"size": 40, "format": "qcow2", "bus": "virtio"}],
        "networks": ["default", {"type": "bridge", "name": "br0"}],
        "graphics": {"type": "vnc", "listen": "127.0.0.1"},
        "firmware": "uefi",
        "made": {"by": "x", "at": "2026-01-01T00:00:00Z", "image": {"size": 1}},
        **_SYSTEM,
    },
    "distro": {
        "name": "debian-12",
        "cdrom": "https://mirror.example/a.iso",
        "mirrors": [],
        "checksum": "sha256:" + "0" * 64,
        **_SYSTEM,
    },
    "rule": {
        "name": "ours",
        "distro": "ours",
        "when": ["ours"],
        "match": [{"volume": "OURS-<version>(?:[-_]<arch>)?", "publisher": "us"}],
        "versions": {"1": "2"},
        "variant": [["1.*", "ours{major}"]],
        "edition": [["server", "Server", False]],
        "live": False,
    },
}

_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1 << 31,
    1 << 64,
    10**400,
    0.5,
    1e308,
    "",
    " ",
    "a" * 5000,
    "\x1b]0;owned\x07",
    "\u202e",
    "\ud800",
    "\0",
    "../../etc/passwd",
    "/" + "../" * 50,
    "https://user:secret@host/x",
    "https://host:99999/",
    "http://[",
    "pool:",
    "pool://",
    "$(reboot)",
    "<x/>",
    "]]>",
    "-c",
    "--yes",
    "%s{0}",
    "٣",
    "1e3",
    [],
    [[]],
    [None],
    {},
    {"": ""},
    [{} for _ in range(300)],  # each its own: what is put into one is not to be in all
    ["default"] * 3,
    {"size": 1e9},
    {"type": []},
    {"sockets": 1 << 40, "cores": 1 << 40, "threads": 2},
    [{"base": "/x", "size": -1}],
    "sha256:" + "z" * 64,
)
_TEXTS = (
    b"",
    b"{",
    b"[" * 100_000,
    b'{"a":' * 5000,
    b"\xff\xfe{\0}\0",
    b"\xef\xbb\xbf{}",
    b"nul",
    b"{}{}",
    b'{"a":1,"a":2}',
    b'"x"',
    b"1e99999",
    b'{"name":"x","memory":NaN}',
    b'{"memory":' + b"9" * 100_000 + b"}",
    b"\0" * 4096,
    b'[{"name":"a"},{"name":"a"},5]',
    b'{"name":"\\ud800"}',
)


def json_document(seed: int, good: Mapping[str, Any]) -> bytes:
    chance = random.Random(seed)  # noqa: S311 - to be had again, not to be secret
    if chance.random() < 0.1:
        return chance.choice(_TEXTS)
    document = copy.deepcopy(dict(good))
    for _ in range(chance.randint(1, 4)):
        place = chance.choice([document, *_places(document)])
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys) if keys and chance.random() < 0.9 else "odd\x1b" if isinstance(place, dict) else None
        if key is not None:
            place[key] = copy.deepcopy(chance.choice(_VALUES))
    data = json.dumps(document).encode()
    return _torn(data, chance)


def hostile_pattern(seed: int) -> tuple[str, str]:
    """A pattern of nested and repeated pieces over few characters, and a label that nearly matches it."""
    chance = random.Random(seed)  # noqa: S311
    pattern = _pattern(chance, chance.randint(1, 5))
    if chance.random() < 0.3:
        pattern *= chance.randint(2, 40)
    text = "".join(chance.choices("ab1-", k=chance.randint(1, 3))) * 128
    return pattern[:1100] + chance.choice(("", "!", "$", "x")), text[: chance.choice((32, 64, 128))] + "?"


_ATOMS = ("a", "b", "1", "-", ".", r"\d", r"\w", r"\S", "[ab]", "[^-]", "ab", "a?", "<arch>", "<tail>")


def _pattern(chance: random.Random, depth: int) -> str:
    def inner() -> str:
        return _pattern(chance, depth - 1)

    if depth == 0:
        return chance.choice(_ATOMS)
    group = chance.choice(("(?:{})", "({})", "(?>{})", "(?={})", "(?:{}|a)", "(?:a|{})"))
    often = chance.choice(("*", "+", "?", "{2}", "{1,3}", "{0,9}", "{4,}", "*?", "*+", "+", "*"))
    shape = chance.randint(0, 4)
    if shape == 0:
        return inner() + inner()
    if shape == 1:
        return f"(?:{inner()}|{inner()})"
    return group.format(inner()) + (often if not group.startswith("(?=") else "")


def xml_document(seed: int, good: bytes) -> bytes:
    chance = random.Random(seed)  # noqa: S311
    pieces = (
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
        b"&a;",
        b"&#0;",
        b"&#xD800;",
        b"<a>" * 2000,
        b"<![CDATA[" + b"x" * 90_000,
        b"]]>",
        b"\xff",
        b"\0",
        b"<?xml version='1.0' encoding='utf-7'?>",
        b" a='" + b"x" * 300_000 + b"'",
        b"<iso><volume-id>(a|b)+[</volume-id></iso>",
        b"<volume-id>[</volume-id>",
        b"<media arch='\x1b'/>",
        b"<n><minimum>",
        b"-1",
        b"9" * 500,
        b"<!--",
        b"<x xml:lang='a'>",
        b"<xi:include href='/etc/passwd'/>",
    )
    for _ in range(chance.randint(1, 4)):
        at = chance.choice([found.start() for found in re.finditer(rb"[<>]", good)]) + chance.randint(0, 1)
        good = good[:at] + chance.choice(pieces) + good[at + chance.choice((0, 0, 1, 40)) :]
    return _torn(good, chance)


def examine_pattern(directory: Path, seed: int) -> str | None:
    """What is wrong with how a rule and a database with a hostile pattern were read and asked; None for nothing."""
    pattern, label = hostile_pattern(seed)
    media = Media(size=0, volume_id=label, system_id=label, publisher_id=label, application_id=label)
    plain = pattern.replace("<arch>", "x86").replace("<tail>", "(?:-a)*")
    fields = {name: html.escape(plain) for name in ("volume", "publisher")}
    osinfo_tree.write(directory, "a.org/foo-1.xml", osinfo_tree.system("foo1", osinfo_tree.medium(**fields)))
    try:
        Database(compile_files(find_files((str(directory),)))).matches(media)
        match = [{"volume": pattern, "publisher": pattern}]
        edition = [[pattern, "Server"]]
        rule = parse_rule({"name": "x", "distro": "x", "match": match, "edition": edition}, "x")
        rule.matches(Labels.of(media))
        re.search(pattern, label, re.IGNORECASE)
    except KimchiError:
        return None
    except Exception as error:  # likewise
        return f"{type(error).__name__}: {error}"[:300]
    return None


def _places(value: Any) -> list[Any]:
    """Every object and list in a document."""
    found = []
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            found += [inner, *_places(inner)]
    return found


def _torn(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return data[: chance.randrange(len(data) + 1)]
    if chance.random() < 0.1:
        at = chance.randrange(len(data) + 1)
        return data[:at] + chance.randbytes(3) + data[at + chance.randint(0, 3) :]
    return data


def examine_json(kind: str, seed: int) -> str | None:
    """What is wrong with how a hostile document of `kind` was read; None when it was read, or refused in a sentence."""
    try:
        decoded = decode(json_document(seed, GOOD[kind]))
        if kind == "rule" and not isinstance(decoded, dict):
            return None  # the store hands over objects only
        found = KINDS[kind](decoded, "x.json")
        if kind == "template":
            json.dumps(to_document(found)).encode()
    except (KimchiError, Unfit) as error:
        said = str(error)
        return f"said {said[:200]!r}" if "\n" in said or len(said) > 3000 else None
    except Exception as error:  # whatever it is: the seed is what leads back to it
        return f"{type(error).__name__}: {error}"[:300]
    return None


def examine_xml(directory: Path, seed: int) -> str | None:
    """The same of a database with one hostile file, compiled and asked."""
    good = osinfo_tree.write(
        directory, "a.org/foo-1.xml", osinfo_tree.system("foo1", osinfo_tree.medium(volume="FOO.*"))
    )
    good.write_bytes(xml_document(seed, good.read_bytes()))
    try:
        database = Database(compile_files(find_files((str(directory),))))
        for label in ("FOO", "a" * 30 + "!", "FOO\x1b"):
            database.matches(Media(size=0, volume_id=label))
    except Exception as error:  # likewise
        return f"{type(error).__name__}: {error}"[:300]
    return None
