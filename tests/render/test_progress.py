import json

import pytest

from kimchictl.render import progress


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def work(receiver, clock, seconds):
    receiver.begin("scanning", 4, "images")
    for step in range(4):
        clock[0] += seconds / 4
        receiver.advance(step + 1, "/srv/a\x1b.iso")
    receiver.end("4 images")


def shown(mode, terminal=False):
    return progress.choose(mode, terminal, lambda _text: None, lambda _text: None)


@pytest.mark.parametrize("mode", ["auto", "json", "bar", "none"])
def test_short_work_shows_nothing(mode, clock, capsys):
    work(shown(mode), clock, 0.5)
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_first_and_a_last_line(clock, capsys):
    work(shown("auto"), clock, 8)
    assert capsys.readouterr().err == "scanning ...\nscanning: 4 images, 8 s\n"


def test_json_is_one_object_a_line(clock, capsys):
    work(shown("json"), clock, 8)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[-1] == {"progress": "scanning", "total": 4, "unit": "images", "finished": True, "summary": "4 images"}
    assert all(line["progress"] == "scanning" for line in lines)


def test_the_bar_says_how_much_and_where_with_control_characters_escaped(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    work(shown("bar"), clock, 8)
    err = capsys.readouterr().err
    assert "scanning" in err
    assert "/srv/a\x1b.iso" not in err


def test_notes_pass_through():
    heard = []
    progress.choose("none", False, heard.append, heard.append).note("skipped")
    assert heard == ["skipped"]
