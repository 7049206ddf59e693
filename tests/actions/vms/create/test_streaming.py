"""Stream or fetch: every reason on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kimchictl.actions.vms.create.streaming import stream_or_fetch
from kimchictl.media.remote.facts import UrlFacts

GOOD = UrlFacts("https://h/a.iso", head=True, length=1 << 20, ranges=True, trusted=True)


def test_everything_right_is_streamed() -> None:
    choice = stream_or_fetch("auto", GOOD, None)
    assert choice.media == "stream"
    assert choice.reasons == ("the server gives parts of a file and qemu can read them",)


def test_a_remote_host_is_told_who_asked() -> None:
    assert "asked from here" in stream_or_fetch("auto", GOOD, None, remote_host=True).reasons[0]


@pytest.mark.parametrize(
    ("facts", "missing", "why"),
    [
        (GOOD, "qemu has no driver for https", "no driver for https"),
        (None, None, "could not be asked"),
        (replace(GOOD, head=False, problem="h:80 answered 405"), None, "answered 405"),
        (replace(GOOD, length=None), None, "length"),
        (replace(GOOD, ranges=False), None, "parts of a file"),
        (replace(GOOD, trusted=False), None, "certificate"),
        (replace(GOOD, chain=("https://a/", "http://b/")), None, "redirect"),
    ],
)
def test_anything_against_it_is_fetched_and_said(facts: UrlFacts | None, missing: str | None, why: str) -> None:
    choice = stream_or_fetch("auto", facts, missing)
    assert choice.media == "fetch" and not choice.forced
    assert len(choice.reasons) == 1 and why in choice.reasons[0]
    asked = stream_or_fetch("stream", facts, missing)
    assert (asked.media, asked.reasons, asked.forced) == ("stream", choice.reasons, True)


def test_a_redirect_on_plain_http_or_to_https_is_no_reason() -> None:
    plain = replace(GOOD, url="http://h/a.iso", trusted=None, chain=("http://b/",))
    assert stream_or_fetch("auto", plain, None).media == "stream"
    assert stream_or_fetch("auto", replace(GOOD, chain=("https://b/",)), None).media == "stream"


def test_what_is_asked_for_is_done() -> None:
    assert stream_or_fetch("fetch", GOOD, None).media == "fetch"
    assert stream_or_fetch("stream", GOOD, None).reasons == ("as asked",)
