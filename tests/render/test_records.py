import csv
import io
import json
from dataclasses import dataclass

import pytest

from kimchictl.options import Options
from kimchictl.render import View, emit, emit_list, visible
from kimchictl.render.records import end_of, fitted


@dataclass(frozen=True)
class Thing:
    name: str
    size: int | None = None
    tags: tuple[str, ...] = ()


VIEW = View(("name", "size", "tags"), ("name", "size", "tags"))
HOSTILE = "a\x1b[31mred\x07\r\nnext\u202eback\udcff"


@pytest.fixture
def printed(capsys):
    def show(records, form, **options):
        emit_list(records, VIEW, form, Options(**options))
        return capsys.readouterr().out

    return show


def test_a_table_in_a_pipe_is_aligned_text_and_loads_no_rich(printed):
    out = printed([Thing("b", 3 << 30, ("x", "y")), Thing("a")], "table")
    assert out == "NAME   SIZE  TAGS\na         -  -\nb     3 GiB  x, y\n"


def test_an_empty_list_is_an_array_or_only_the_titles(printed):
    assert json.loads(printed([], "json")) == []
    assert printed([], "table") == "NAME  SIZE  TAGS\n"
    assert printed([], "name") == ""


def test_one_record_in_a_list_is_still_an_array(printed):
    assert json.loads(printed([Thing("a")], "json")) == [{"name": "a", "size": None, "tags": []}]


def test_what_a_stranger_wrote_cannot_reach_the_terminal_through_a_table(printed):
    out = printed([Thing(HOSTILE)], "table")
    assert r"a\x1b[31mred\x07\x0d\x0anext\u202eback\xff" in out
    assert len(out.splitlines()) == 2


def test_json_gives_every_name_back_even_bytes_that_are_no_text(printed):
    assert json.loads(printed([Thing(HOSTILE)], "json"))[0]["name"] == HOSTILE


def test_csv_is_read_back_and_no_cell_is_a_formula(printed):
    rows = list(csv.reader(io.StringIO(printed([Thing('=cmd|"x",y', 1, ("p", "q"))], "csv"))))
    assert rows == [["name", "size", "tags"], ['\'=cmd|"x",y', "1", "p q"]]


def test_a_long_cell_is_not_cut_in_a_pipe(printed):
    assert "x" * 500 in printed([Thing("x" * 500)], "table")


def test_an_object_is_a_line_a_key(capsys):
    emit(Thing("a", 1024, ("t",)), VIEW, "table", Options())
    assert capsys.readouterr().out == "name  a\nsize  1 KiB\ntags  t\n"


def test_printable_unicode_stays_as_it_is():
    assert visible("kīмсhī 東京 é") == "kīмсhī 東京 é"


@pytest.mark.parametrize(
    ("option", "environment", "forced"),
    [
        ("always", {}, True),
        (None, {"FORCE_COLOR": "1"}, True),
        (None, {}, False),
        ("never", {"FORCE_COLOR": "1"}, False),
        (None, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_reaches_a_pipe_only_where_it_is_forced(capsys, monkeypatch, option, environment, forced):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    emit_list([Thing("a")], VIEW, "table", Options(color=option))
    assert ("\x1b[1mNAME" in capsys.readouterr().out) == forced


def test_a_table_wider_than_the_terminal_loses_width_where_there_is_most_and_no_column():
    assert fitted([10, 60, 8], 78) == [10, 60, 8]
    assert fitted([10, 60, 8], 40) == [10, 22, 8]
    assert fitted([30, 30, 4], 40) == [18, 18, 4]
    assert min(fitted([50] * 20 + [2], 80)) == 2
    assert fitted([9, 9, 4], 21, filled=[9, 3, 4]) == [9, 8, 4]


def test_titles_of_several_words_take_several_lines_before_a_cell_is_cut(capsys, monkeypatch):
    monkeypatch.setattr("kimchictl.render.records.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "32")
    view = View(("name", "os_distro", "os_version"), ("name", "os_distro", "os_version"))
    emit_list([{"name": "a-longer-name", "os_distro": "debian", "os_version": "12"}], view, "table", Options())
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert shown.splitlines()[0].split() == ["OS", "OS"]


def test_a_path_too_long_for_its_column_keeps_its_end_which_tells_files_apart():
    assert end_of("/srv/iso/debian-12.iso", 22) == "/srv/iso/debian-12.iso"
    assert end_of("/srv/iso/debian-12.iso", 14) == "…debian-12.iso"
    assert end_of("/srv/映像/映像.iso", 9) == "…映像.iso"  # two cells each


def test_where_a_path_has_too_much_no_other_column_is_cut(capsys, monkeypatch):
    monkeypatch.setattr("kimchictl.render.records.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    others = {"os_distro": "unknown", "os_version": "unknown", "os_arch": "x86_64", "bootable": True, "size": 1 << 30}
    view = View(("location", *others), ("location", *others), sort=None)
    emit_list([{"location": "/srv" + "/iso" * 20, **others}], view, "table", Options())
    shown = capsys.readouterr().out
    assert shown.split()[-6:] == ["unknown", "unknown", "x86_64", "yes", "1", "GiB"]
    assert max(map(len, shown.splitlines())) <= 80


def test_a_sentence_too_long_for_its_column_goes_on_in_the_next_line(capsys, monkeypatch):
    monkeypatch.setattr("kimchictl.render.records.is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "50")
    view = View(("name", "message", "fix"), ("name", "message", "fix"))
    fix = "kimchictl pool create default --type dir --path /var/lib/libvirt/images --start"
    emit_list([{"name": "pool", "message": "there is none", "fix": fix}], view, "table", Options())
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert set(fix.split()) - {"/var/lib/libvirt/images"} <= set(shown.split())


def test_a_person_who_sees_an_empty_list_is_told_how_to_begin(capsys, monkeypatch):
    view = View(("name",), ("name",), first="kimchictl pool create NAME")
    emit_list([], view, "table", Options())
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("kimchictl.render.records.is_terminal", lambda _: True)
    emit_list([], view, "table", Options(filters=("name=x",)))
    assert capsys.readouterr().err == ""
    emit_list([], view, "table", Options())
    assert capsys.readouterr().err == "none yet: kimchictl pool create NAME\n"
