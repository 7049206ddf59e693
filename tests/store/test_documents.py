"""kimchictl.store.documents: bytes, names, and what a stranger may have put there."""

import pytest

from kimchictl.errors import Invalid
from kimchictl.store.documents import Unfit, decode, encode, file_name, name_of_file, singular


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("debian-12", b"debian-12.json"),
        ("k\u012b\u043c\u0441h\u012bTmpl", "k\u012b\u043c\u0441h\u012bTmpl.json".encode()),
        ("in side", b"in side.json"),
        ("a/b", b"a%2Fb.json"),
        ("../../etc/passwd", b"%2E.%2F..%2Fetc%2Fpasswd.json"),
        (".hidden", b"%2Ehidden.json"),
        ("50%", b"50%25.json"),
        ("nul\0", b"nul%00.json"),
        ("a\nb", b"a\nb.json"),
        ("x.json", b"x.json.json"),
    ],
)
def test_only_what_a_file_name_cannot_hold_is_encoded_and_comes_back(name, file):
    assert (file_name(name), name_of_file(file)) == (file, name)


@pytest.mark.parametrize("name", ["", " ", "\t\n", "a" * 201, "\u012b" * 101, "%" * 67, "\ud800"])
def test_names_that_make_no_file_are_refused(name):
    with pytest.raises(Invalid):
        file_name(name)


def test_two_hundred_bytes_are_not_too_long():
    assert len(file_name("\u012b" * 100)) == 205


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON: .* at line 1, column 2"),
        (b'{"a": 1} x', "is not JSON: Extra data"),
        (b'{"a": \xff}', "is not UTF-8 at byte 6"),
        ('{"a": "\u012b"}'.encode("utf-16"), "is not UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', "has the key 'a' twice"),
        (b'{"a": {"b": 1, "b": 1}}', "has the key 'b' twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "has the number 1e999, which is out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "has a number with too many digits"),
        (b'{"a": "\\ud800"}', "has half of a surrogate pair"),
        (b'{"a": "\\uDFFF"}', "has half of a surrogate pair"),
        (b"[" * 100_000, "is nested more than 64 levels deep"),
        (b"[" * 66 + b"]" * 66, "is nested more than 64 levels deep"),
        (b'{"a":' * 400 + b"1" + b"}" * 400, "is nested more than 64 levels deep"),
        (b'"' + b"a" * (1 << 20) + b'"', "is larger than 1 MiB"),
    ],
)
def test_what_is_no_document_is_refused_with_a_reason(raw, reason):
    with pytest.raises(Unfit, match=reason):
        decode(raw)


def test_what_only_looks_odd_is_read():
    assert decode(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}\n') == {"a": "\U0001f600"}
    assert decode(b"[" * 60 + b"]" * 60)
    assert decode(b'{"big": 123456789012345678901234567890}')["big"] == 123456789012345678901234567890
    assert len(decode(b"[" + b"{}," * 200 + b"{}]")) == 201


def test_what_is_written_is_readable_for_people_and_keeps_the_order():
    assert encode({"name": "k\u012b", "b": [1], "a": None}) == (
        b'{\n  "name": "k\xc4\xab",\n  "b": [\n    1\n  ],\n  "a": null\n}\n'
    )


def test_what_could_not_be_read_again_is_not_written():
    deep = []
    for _ in range(5000):
        deep = [deep]
    for value in (float("nan"), "\ud800", deep, "x" * (1 << 20), 10**5000):
        with pytest.raises(Unfit):
            encode({"a": value})


def test_a_document_of_a_store_has_a_singular():
    assert (singular("templates"), singular("distros")) == ("template", "distro")
