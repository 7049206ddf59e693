"""A pattern that could take long is told from the pattern alone; those of real databases are none."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from kimchictl.errors import Invalid
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_compile import MAX_WAYS, compile_files
from kimchictl.media.naming.osinfo_files import directories, find_files
from kimchictl.media.naming.pattern_cost import LABEL, TooCostly, check_cost, needs_no_look
from kimchictl.media.naming.rules import parse_rule
from kimchictl.media.records import Media
from lab import osinfo_tree
from lab.documents import examine_pattern

COSTLY = (
    "(a+)+$",
    "(a*)*b",
    "(a|a)*b",
    "(.|x)*y",
    "(a|b|ab)*c",
    r"(\w+\s?)*!",
    "(a{2,3})*b",
    "(.*,){11}P",
    "((a|b)*)*c",
    "(?=(a+)+$)b",
    "(?:a?){40}a{40}",
    "a?" * 40 + "a" * 40,
    "(?:a|a)" * 40,
    "(?:(?=a))?" * 40 + "b",
    ".*a" * 6 + "b",
    "(a)?(?(1)b|c)",
)
CHEAP = (
    r"ALT 10\.0(\.\d+)* Workstation",
    "RHEL.*Atomic.*7 x86_64.*",
    "(a|ab)*c",
    "(?:-(?:dvd|disc|cd))*",
    "(?:-(?>live|livecd)(?![a-z]))*",
    "(a++)+b",
    r"(?:Live-)?Mageia(?:-(?:Live|LiveDVD))*",
    "[^-]*-[^-]*-[^-]*-[^-]*-x",
)


@pytest.mark.parametrize("pattern", COSTLY)
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(TooCostly):
        check_cost(pattern)


@pytest.mark.parametrize("pattern", CHEAP)
def test_a_pattern_whose_choices_the_next_characters_decide_is_not(pattern: str) -> None:
    check_cost(pattern)


def test_case_makes_no_difference_and_no_set_is_too_small() -> None:
    for pattern in ("(ax|Ax)*b", "(?:[^a]x|Ax)*b", "(?:[a-z]x|Qx)*y", "(?:kx|\u212ax)*y", "(?:\xdf-|\u1e9e-)*y"):
        with pytest.raises(TooCostly):
            check_cost(pattern, re.IGNORECASE)


def test_what_a_glance_lets_pass_would_pass_a_look() -> None:
    for pattern in ("Fedora.*", r"Debian 9 amd64 \d+", "ab?c"):
        assert needs_no_look(pattern)
        assert check_cost(pattern) <= LABEL + 1
    assert not needs_no_look("(a+)+")


@pytest.mark.skipif(not Path("/usr/share/osinfo/os").is_dir(), reason="no osinfo-db is installed")
def test_an_installed_database_loses_nothing() -> None:
    assert compile_files(find_files(directories(os.environ)))["skipped"] == []


def test_a_medium_with_a_costly_pattern_is_left_out_and_named(tmp_path: Path) -> None:
    media = (osinfo_tree.medium(volume="(a+)+b"), osinfo_tree.medium(volume="FOO"))
    osinfo_tree.write(tmp_path, "a.org/foo-1.xml", osinfo_tree.system("foo1", *media))
    database = Database(compile_files(find_files((str(tmp_path),))))
    assert [entry.system.short_id for entry in database.matches(Media(size=0, volume_id="FOO"))] == ["foo1"]
    assert database.matches(Media(size=0, volume_id="a" * 32)) == []
    assert len(database.skipped) == 1 and "(a+)+b" in database.skipped[0] and "foo1" in database.skipped[0]


def test_of_many_media_just_below_the_limit_those_count_that_all_together_take_no_second(tmp_path: Path) -> None:
    media = [osinfo_tree.medium(volume=f".*a.*a.*{number}") for number in range(100)]
    osinfo_tree.write(tmp_path, "a.org/foo-1.xml", osinfo_tree.system("foo1", *media))
    document = compile_files(find_files((str(tmp_path),)))
    assert len(document["media"][0]) == MAX_WAYS // check_cost(".*a.*a.*1")
    assert len(document["skipped"]) == 100 - len(document["media"][0])
    assert "foo1: the pattern '.*a.*a.*99' could take long" in document["skipped"][-1]


@pytest.mark.parametrize("key", ["match", "variant", "edition"])
def test_a_rule_with_a_costly_pattern_is_refused_with_a_way_out(key: str) -> None:
    value = {"match": [{"volume": "(a+)+b"}], "variant": [["(a+)+b", "x"]], "edition": [["(a+)+b", "x"]]}[key]
    with pytest.raises(Invalid, match=r"mine.*could take long") as refused:
        parse_rule({"name": "mine", "distro": "x", "match": [{"volume": "x"}], key: value}, "mine")
    assert "(?>" in (refused.value.hint or "")


def test_a_pattern_of_an_edition_is_checked_as_it_is_used() -> None:
    twice = "(?P<version>a)(?P<version>b)"  # of a label's pattern the second group gets another name
    with pytest.raises(Invalid, match="edition"):
        parse_rule({"name": "mine", "distro": "x", "match": [{"volume": "x"}], "edition": [[twice, "x"]]}, "mine")


def test_no_hostile_pattern_takes_long(tmp_path: Path) -> None:
    # Without the look at them a dozen of these never end.
    assert {seed: said for seed in range(150) if (said := examine_pattern(tmp_path, seed))} == {}
