"""Files that are wrong on purpose are refused with a sentence or read: bench/fuzz_documents.py does it more often."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from kimchictl.media.naming.osinfo_files import Unparsable, read_document
from lab.documents import GOOD, KINDS, examine_json, examine_xml, json_document


@pytest.mark.parametrize("kind", KINDS)
def test_no_hostile_document_breaks_what_reads_it(kind: str) -> None:
    assert {seed: said for seed in range(3000) if (said := examine_json(kind, seed))} == {}


def test_no_hostile_database_breaks_its_compiler(tmp_path: Path) -> None:
    assert {seed: said for seed in range(300) if (said := examine_xml(tmp_path, seed))} == {}


def test_what_is_mutated_was_right_before() -> None:
    assert all(KINDS[kind](GOOD[kind], kind) for kind in KINDS)


def test_hostile_templates_in_a_directory_cost_the_good_one_nothing(tmp_path: Path, kimchi, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    place = tmp_path / "config/templates"
    place.mkdir(parents=True)
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", str(place.parent))
    for seed in range(300):
        (place / f"{seed}.json").write_bytes(json_document(seed, GOOD["template"]))
    (place / "zz.json").write_text(json.dumps(GOOD["template"] | {"name": "the good one"}))
    for output in ("json", "table", "csv", "name"):
        listed = kimchi("template", "list", "-o", output)
        assert listed.status == 0 and "the good one" in listed.out
        assert output == "json" or "\x1b" not in listed.out + listed.err


@pytest.mark.parametrize("inside", ["<a b='%s'/>", "<a>%s</a>", "<!-- %s -->", "%s"])
def test_a_database_file_of_a_gigabyte_is_refused_without_being_read(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "bomb.xml"
    with file.open("wb") as opened:
        opened.write(inside.partition("%s")[0].encode() or b"x")
        opened.truncate(1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(Unparsable):
            read_document(str(file))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_of_entities_is_refused_before_it_grows(tmp_path: Path) -> None:
    lines = ['<!ENTITY e0 "boom">', *(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))]
    (tmp_path / "bomb.xml").write_text(f"<!DOCTYPE a [{''.join(lines)}]><a>&e19;</a>")
    with pytest.raises(Unparsable, match="document type"):
        read_document(str(tmp_path / "bomb.xml"))
