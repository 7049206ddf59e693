import io
import sys

import pytest

from kimchictl.render.usage import amount, bar, fill, spark
from kimchictl.render.watch import Frame, lines


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(12.54, "%", "12.5 %"), (1536, "bytes", "1.5 KiB"), (2048, "bytes/s", "2 KiB/s"), (None, "%", "-")],
)
def test_values_have_units(value, unit, text):
    assert amount(value, unit) == text


def test_idle_traffic_does_not_look_like_full_load():
    assert fill(900, 1000, "bytes/s") == 0.009
    assert fill(100_000, 400_000, "bytes/s") == 0.25
    assert fill(None, None, "bytes/s") == 0.0


def test_a_percentage_is_of_a_hundred_and_memory_of_its_peak():
    assert fill(50.0, 50.0, "%") == 0.5
    assert fill(512, 1024, "bytes") == 0.5


def test_a_bar_is_filled_to_the_eighth():
    assert [bar(filled, 4) for filled in (0.0, 0.5, 0.53125, 1.0)] == ["    ", "██  ", "██▏ ", "████"]


def test_without_block_characters_a_bar_is_of_hashes_and_there_is_no_spark_line(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert bar(0.5, 4) == "##  "
    assert spark([1.0, 2.0], 8) == ""


def test_a_spark_line_shows_the_highest_of_every_stretch_and_gaps():
    assert spark([0, 4, None, 8], 8) == "▁▄ █"
    assert spark([0, 8, 0, 0], 2) == "█▁"
    assert spark([1, 1], 8, least=100) == "▁▁"
    assert spark([None, None], 8) == ""


def frame(names):
    value = {"cpu": (50.0, 80.0, "%"), "memory": (1024, 2048, "bytes")}
    rates = dict.fromkeys(("disk_read", "disk_write", "net_rx", "net_tx"), (100_000, 50, "bytes/s"))
    return Frame("headline", [(name, {**value, **rates}) for name in names])


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (40, 5), (20, 3), (5, 2), (1, 1)])
def test_no_line_is_longer_and_no_more_are_drawn_than_the_screen_holds(width, height):
    from rich.cells import cell_len

    drawn = lines(frame([f"vm-{number}-名前" for number in range(30)]), width, height)
    assert len(drawn) <= height
    assert max(map(cell_len, drawn)) <= width


def test_what_does_not_fit_is_counted():
    assert lines(frame(["a", "b", "c", "d"]), 80, 5)[-1] == "and 2 more: the window is too low"


def test_a_wide_screen_shows_every_measure_and_a_narrow_one_the_first():
    assert lines(frame(["a"]), 200, 9)[1].split() == ["CPU", "MEMORY", "READ", "WRITE", "RECEIVED", "SENT"]
    assert lines(frame(["a"]), 45, 9)[1].split() == ["CPU", "MEMORY"]


def test_names_are_escaped():
    assert "a\\x1bb" in lines(frame(["a\x1bb"]), 80, 9)[2]
