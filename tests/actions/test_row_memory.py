"""Rows that were worked out before: never out of date, never trusted from others, never needed."""

import json
import os

import pytest

from kimchictl.actions.row_memory import RowMemory

MANY = 50


@pytest.fixture
def cache():
    return os.path.join(os.environ["KIMCHI_CACHE_DIR"], "template-rows")


@pytest.fixture
def templates():
    """Writes MANY templates by hand, each with `values`."""
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    os.makedirs(directory)

    def write(**values):
        for number in range(MANY):
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


def test_what_is_remembered_is_not_changed_by_who_gets_it(tmp_path):
    first = RowMemory(str(tmp_path / "rows"), "salt")
    for number in range(MANY):
        first.put(b"%d" % number, {"origin": None})["origin"] = "site"
    first.keep()
    assert RowMemory(str(tmp_path / "rows"), "salt").get(b"1") == {"origin": None}
    assert RowMemory(str(tmp_path / "rows"), "other").get(b"1") is None
