"""A rule made from one image names its like; one that is wrong names nothing and harms nothing."""

import json
import os

import pytest

from kimchictl.config import find_places
from kimchictl.errors import Invalid
from kimchictl.media.naming.identify import identify
from kimchictl.media.naming.rules import Labels, all_hits, parse_rule
from kimchictl.media.naming.taught import taught_rules, teach
from kimchictl.media.records import Media
from lab.images import make_image


def lesson(label, distro, version, **ids):
    return teach(Media(size=0, volume_id=label, **ids), distro, version)


def named(document, label, **ids):
    hit = next(all_hits([parse_rule(document, "x")], Labels.of(Media(size=0, volume_id=label, **ids))), None)
    return f"{hit.distro} {hit.version} {hit.arch or '-'}" if hit else None


@pytest.mark.parametrize(
    ("label", "version", "other", "expected"),
    [
        ("ACME-APPLIANCE-4.2.7-x86_64", "4.2", "ACME-APPLIANCE-4.2.7-x86_64", "acme 4.2 x86_64"),
        ("ACME-APPLIANCE-4.2.7-x86_64", "4.2", "ACME-APPLIANCE-5.0.1-aarch64", "acme 5.0 aarch64"),
        ("ACME-APPLIANCE-4.2.7-x86_64", "4.2", "ACME-PHOTOS-5.0.1-aarch64", None),
        ("ACME_4_2_20240131", "4.2", "ACME_4_3_20250630", "acme 4.3 -"),
        ("ACME 4.2 (build 17)", "4.2", "ACME 4.3 (build 23)", "acme 4.3 -"),
        ("ACME_SEVEN", "7", "ACME_SEVEN", "acme 7 -"),
        ("ACME_SEVEN", "7", "ACME_EIGHT", None),
        ("ACME_42", "7", "ACME_43", None),
        ("ACME_20240131", "7", "ACME_20250131", "acme 7 -"),
        ("ACME", "focal", "acme", "acme focal -"),
        ("<arch> (x) [1]", "1", "<arch> (x) [2]", "acme 2 -"),
        ("2024", "1", "2024", "acme 1 -"),
        ("ÄCME é 3", "3", "ÄCME é 4", "acme 4 -"),
    ],
)
def test_the_variable_parts_of_a_label_are_generalised_and_no_others(label, version, other, expected):
    assert named(lesson(label, "acme", version), other) == expected


def test_a_publisher_is_required_too_and_the_name_of_the_writing_program_is_not():
    document = lesson("CDROM", "acme", "1", publisher_id="ACME INC", application_id="GENISOIMAGE ISO 9660")
    assert named(document, "CDROM", publisher_id="ACME INC", application_id="XORRISO") == "acme 1 -"
    assert named(document, "CDROM", publisher_id="OTHERS") is None


def test_an_image_without_any_label_cannot_be_taught():
    with pytest.raises(Invalid, match="without labels"):
        lesson(" ", "acme", "1", application_id="MKISOFS")


def keep(name, content):
    directory = f"{find_places(os.environ).own_config}/rules"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{name}.json", "w") as file:
        file.write(content)


def test_a_kept_rule_is_used_by_the_next_one_who_names_an_image():
    assert identify(Media(size=0, volume_id="ACME 2")).os_distro == "unknown"
    keep("acme", json.dumps(lesson("ACME 1", "acme", "1")))
    found = identify(Media(size=0, volume_id="ACME 2"))
    assert (found.os_distro, found.os_version, found.identified_by) == ("acme", "2", "taught:acme-1")


COSTLY = ".*A.*B.*C.*D.*"  # 0.8 million ways through a label

WRONG = [
    "{",
    "[1, 2]",
    '{"name": "bad"}',
    '{"name": "bad", "distro": "x", "match": [{"volume": "("}]}',
    '{"name": "bad", "distro": "x", "match": [{}]}',
    '{"name": "bad", "distro": 7, "match": [{"volume": ".*"}]}',
    '{"name": "bad", "distro": "x", "match": [{"volume": ".*"}], "when": 5}',
    '{"name": "bad", "distro": "x", "match": [{"volume": ".*"}], "versions": {"": 5}}',
    '{"name": "bad", "distro": "x", "match": [{"volume": ".*"}], "variant": [["(", "x"]]}',
    '{"name": "bad", "distro": "x", "match": [{"volume": ".*"}], "edition": [3]}',
]


@pytest.mark.parametrize("content", WRONG)
def test_a_rule_that_is_wrong_names_nothing_and_the_others_still_do(content):
    keep("bad", content)
    keep("good", json.dumps(lesson("ACME 1", "acme", "1")))
    assert identify(Media(size=0, volume_id="ACME 2")).os_distro == "acme"
    assert len(taught_rules(find_places(os.environ))) == 1


def keep_costly(count):
    for number in range(count):
        document = {"name": f"costly-{number:02}", "distro": "x", "match": [{"volume": COSTLY}]}
        keep(document["name"], json.dumps(document))


def test_rules_that_together_could_take_long_name_nothing_and_say_so(kimchi, tmp_path):
    keep_costly(14)
    keep("acme", json.dumps(lesson("ACME 1", "acme", "1")))
    assert identify(Media(size=0, volume_id="ACME 2")).os_distro == "acme"
    problems = [row["name"] for row in kimchi("iso", "rule", "list", "-o", "json").json if row["problem"]]
    assert problems == ["costly-00", "costly-01"]


def test_a_rule_that_could_take_long_beside_the_others_is_not_kept(kimchi, tmp_path, monkeypatch):
    make_image(tmp_path / "a.iso", "APPLIANCE_4.2")
    kimchi("iso", "teach", tmp_path / "a.iso", "--os-distro", "ours", "--os-version", "4.2", status=0)
    monkeypatch.setenv("EDITOR", f"""sed -i 's/"volume": ".*"/"volume": "{COSTLY}"/'""")
    keep_costly(12)
    refused = kimchi("iso", "rule", "edit", "ours-4.2", status=4)
    assert "rule 'ours-4.2' could take long to match, together with the other rules" in refused.err
