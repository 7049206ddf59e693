from dataclasses import dataclass

import pytest

from kimchictl.errors import UsageError
from kimchictl.query import plain, select, sort_rows
from kimchictl.units import GIB

ROWS = [
    {
        "name": "web-10",
        "size": 2 * GIB,
        "tags": ["a", "b"],
        "os": {"id": "debian"},
        "on": True,
        "gone": None,
        "disks": [{"size": 20}, {"size": 40, "bus": "sata"}],
    },
    {
        "name": "Web-2",
        "size": GIB,
        "tags": [],
        "os": {"id": "alpine"},
        "on": False,
        "gone": "x",
        "disks": [{"size": 8}],
    },
]


def names(*filters):
    return [row["name"] for row in select(ROWS, filters)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name=web-10", ["web-10"]),
        ("name!=web-10", ["Web-2"]),
        ("name~^web", ["web-10"]),
        ("size>=2G", ["web-10"]),
        ("size<2G", ["Web-2"]),
        ("size=1GiB", ["Web-2"]),
        ("tags=b", ["web-10"]),
        ("tags!=b", ["Web-2"]),
        ("os.id=alpine", ["Web-2"]),
        ("on=true", ["web-10"]),
        ("gone=null", ["web-10"]),
        ("gone~.", ["Web-2"]),
        ("on=yes", ["web-10"]),
        ("on!=no", ["web-10"]),
        ("disks.size>=30", ["web-10"]),
        ("disks.size=8", ["Web-2"]),
        ("disks.bus=null", ["Web-2"]),
    ],
)
def test_a_filter_keeps_what_it_names(text, found):
    assert names(text) == found


def test_several_filters_all_count():
    assert names("size>=1G", "on=false") == ["Web-2"]


@pytest.mark.parametrize("text", ["name", "=x", "name~(", "nosuch=1", "size>=lots"])
def test_a_filter_that_cannot_be_is_wrong_usage(text):
    with pytest.raises(UsageError):
        select(ROWS, [text], list(ROWS[0]))


def test_sorting_ignores_case_counts_numbers_as_such_and_puts_the_unknown_last():
    assert [row["name"] for row in sort_rows(ROWS, "name")] == ["Web-2", "web-10"]
    assert [row["name"] for row in sort_rows(ROWS, "-size")] == ["web-10", "Web-2"]
    assert [row["gone"] for row in sort_rows(ROWS, "gone")] == ["x", None]


def test_a_record_becomes_plain_data_all_the_way_down():
    @dataclass(frozen=True)
    class Inner:
        n: int

    @dataclass(frozen=True)
    class Outer:
        inner: tuple[Inner, ...]

    assert plain(Outer((Inner(1),))) == {"inner": [{"n": 1}]}


def test_a_name_that_begins_another_comes_before_it():
    rows = [{"name": name} for name in ("web2", "p2", "web", "web10", "Web", "p", "", "2")]
    assert [row["name"] for row in sort_rows(rows, "name")] == ["", "2", "p", "p2", "Web", "web", "web2", "web10"]
    assert [row["name"] for row in select(rows, ["name>=web2"])] == ["web2", "web10"]


def test_a_key_inside_of_objects_that_none_of_them_has_is_wrong_usage_with_those_there_are():
    for ask in (lambda: select(ROWS, ["disks.siez=8"]), lambda: sort_rows(ROWS, "disks.siez")):
        with pytest.raises(UsageError, match=r"disks\.siez") as refused:
            ask()
        assert refused.value.hint == "the keys of disks are size, bus"
    assert select([{"disks": []}], ["disks.siez=8"]) == []


def test_a_key_inside_counts_in_its_own_unit():
    assert [row["name"] for row in select(ROWS, ["disks.size>=30G"], units={"disks.size": GIB})] == ["web-10"]
