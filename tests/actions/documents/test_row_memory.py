"""Rows that were worked out before: never out of date, never trusted from others, never needed."""

import json
import os

import pytest

from kimchictl.actions.documents.row_memory import RowMemory
from kimchictl.query import LONG

MANY = 50


@pytest.fixture
def cache():
    return os.path.join(os.environ["KIMCHI_CACHE_DIR"], "template-rows")


@pytest.fixture
def templates():
    """Writes `count` templates by hand, each with `values`."""
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    os.makedirs(directory)

    def write(count=MANY, **values):
        for number in range(count):
            with open(os.path.join(directory, f"t{number}.json"), "w") as file:
                json.dump({"name": f"t{number}", **values}, file)

    return write


def memory(kimchi):
    return {row["memory"] for row in kimchi("template", "list", "-o", "json", status=0).json}


def test_a_list_is_the_same_with_and_without_what_is_remembered(kimchi, templates, cache):
    templates(memory=1024)
    first = kimchi("template", "list", "-o", "json").json
    assert os.stat(cache).st_mode & 0o777 == 0o600
    assert kimchi("template", "list", "-o", "json").json == first


def test_what_changes_in_files_or_configuration_counts_at_once(kimchi, templates, monkeypatch):
    templates()
    assert memory(kimchi) == {2048}
    monkeypatch.setenv("KIMCHICTL_TEMPLATE_MEMORY", "4G")
    assert memory(kimchi) == {4096}
    templates(memory=1024)
    assert memory(kimchi) == {1024}


def test_marks_are_looked_up_anew(kimchi, templates, tmp_path):
    (tmp_path / "a.iso").touch()
    templates(cdrom=str(tmp_path / "a.iso"))
    assert kimchi("template", "list", "-o", "json").json[0]["problems"] == []
    (tmp_path / "a.iso").unlink()
    assert kimchi("template", "list", "-o", "json").json[0]["problems"] == [f"image {tmp_path}/a.iso is missing"]


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"N", b"[\x00\x00\x00\x00"])
def test_a_file_that_is_damaged_is_done_without(kimchi, templates, cache, content):
    templates(memory=1024)
    os.makedirs(os.path.dirname(cache), exist_ok=True)
    with open(cache, "wb") as file:
        file.write(content)
    assert memory(kimchi) == {1024}


def test_a_place_that_cannot_be_written_is_done_without(kimchi, templates, monkeypatch):
    templates(memory=1024)
    monkeypatch.setenv("KIMCHI_CACHE_DIR", "/proc/no")
    assert memory(kimchi) == {1024}


def test_what_another_program_or_configuration_remembered_does_not_count(tmp_path):
    entry = ("a", "{", b"", ())
    RowMemory(str(tmp_path / "rows"), "salt").keep(False, {b"1": entry})
    assert RowMemory(str(tmp_path / "rows"), "salt").known == {b"1": entry}
    assert RowMemory(str(tmp_path / "rows"), "other").known == {}


@pytest.mark.parametrize("count", [1, LONG + 1])
def test_json_is_the_same_from_memory_and_from_rows(kimchi, templates, count):
    templates(count, description='\u00fc\n"', made={"by": "hand"}, strange=[{"a": 1}])
    asked = ("template", "list", "-o", "json")
    worked_out, remembered = kimchi(*asked), kimchi(*asked)
    assert remembered.out == worked_out.out == kimchi(*asked, "--sort", "name").out
    assert len(remembered.json) == count


def test_names_come_in_their_order_whether_remembered_or_new(kimchi, templates):
    asked = ("template", "list", "-o", "name")
    templates(9)
    kimchi(*asked)
    templates(12)
    expected = [f"t{number}" for number in range(12)]
    assert kimchi(*asked).out.split() == kimchi(*asked).out.split() == expected


def test_a_template_that_moves_to_another_layer_says_so(kimchi, templates, monkeypatch):
    templates(1)
    origin = [row["origin"] for row in kimchi("template", "list", "-o", "json").json]
    monkeypatch.setenv("KIMCHI_DATA_DIR", os.environ["KIMCHI_CONFIG_DIR"])
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", os.environ["KIMCHI_CACHE_DIR"])
    assert origin == ["site"]
    assert [row["origin"] for row in kimchi("template", "list", "-o", "json").json] == ["package"]
