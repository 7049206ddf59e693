"""Web servers that answer what no server should: bench/fuzz_http.py does the same ten thousand times."""

from __future__ import annotations

from pathlib import Path

from lab.answers import answer, examine
from lab.images import make_image
from lab.web import Served, WebServer


def test_no_hostile_answer_breaks_a_probe_or_gets_its_words_into_a_message(tmp_path: Path) -> None:
    content = make_image(tmp_path / "a.iso").read_bytes()
    with WebServer() as server:
        wrong = {seed: said for seed in range(400) if (said := examine(server, seed, content))}
    assert wrong == {}


def test_a_seed_makes_the_same_answer_again() -> None:
    assert answer(3, b"x" * 50_000) == answer(3, b"x" * 50_000)


def test_a_redirect_to_a_name_longer_than_any_name_is_refused_in_a_short_line(tmp_path: Path, kimchi) -> None:  # type: ignore[no-untyped-def]
    with WebServer() as server:
        server.files["/a.iso"] = Served(status=302, location="http://" + "a" * 4000)
        result = kimchi("iso", "probe", server.url("/a.iso"))
    assert result.status == 1 and len(result.err) < 600
