"""What every error keeps to."""

from __future__ import annotations

import pytest

from kimchictl.errors import without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:geheim@h/a", "http://***@h/a"),
        ("get http://me@h/a now", "get http://***@h/a now"),
        ("https://me:ge/he?im@h/", "https://***@h/"),
        ("ftp://me:ge@heim@h", "ftp://***@h"),
        ("http://h/a@b.iso", "http://h/a@b.iso"),
        ("http://h:80/a@b.iso", "http://h:80/a@b.iso"),
        ("http://h:80", "http://h:80"),
        ("a@b", "a@b"),
    ],
)
def test_a_message_repeats_no_password(text: str, shown: str) -> None:
    assert without_password(text) == shown
