"""Every rule names the labels that it was written for."""

import json
import re
from pathlib import Path

import pytest

import kimchictl
from kimchictl.errors import Invalid
from kimchictl.media.naming import rules
from kimchictl.media.records import Media

RULES = json.loads((Path(kimchictl.__file__).parent / "data/rules.json").read_text("utf-8"))["rules"]
EXAMPLES = [(rule["name"], *example) for rule in RULES for example in rule["examples"]]
FIELDS = {"set": "volume_set_id"}


def labels_of(given):
    given = {"volume": given} if isinstance(given, str) else dict(given)
    inside = given.pop("inside", "")
    ids = {FIELDS.get(label, f"{label}_id"): text for label, text in given.items()}
    return rules.Labels.of(Media(size=0, **ids), inside)


def first_hit(labels):
    return next(rules.all_hits(rules.shipped_rules(), labels_of(labels)), None)


def test_a_rule_names_its_examples_and_no_earlier_rule_takes_them():
    for name, labels, expected in EXAMPLES:
        hit = first_hit(labels)
        if expected == "- - -":
            assert hit is None, labels
        else:
            assert (hit.rule, f"{hit.distro} {hit.version} {hit.arch or '-'}") == (name, expected), labels


def test_a_shipped_rule_passes_the_check_that_a_taught_one_must_pass():
    for rule in RULES:
        assert rules.parse_rule(rule, rule["name"]).name == rule["name"]
        assert rule["when"] and rule["examples"], rule["name"]


def test_the_names_of_the_rules_are_unique():
    names = [rule["name"] for rule in RULES]
    assert sorted(names) == sorted(set(names))


WRONG = [[{"volume": "("}], [{"label": "x"}], {"volume": "x"}, [{"volume": "<nothing>"}], [{"volume": 3}], []]


@pytest.mark.parametrize("match", WRONG)
def test_a_rule_that_cannot_be_is_refused_with_its_name(match):
    with pytest.raises(Invalid, match="mine"):
        rules.parse_rule({"name": "mine", "distro": "foo", "match": match}, "mine")


def test_no_choice_is_offered_twice_in_a_pattern():
    # Case makes no difference: "dvd|DVD" in a repetition doubles the work with each word of a label.
    patterns = [text for rule in RULES for option in rule["match"] for text in option.values()]
    choices = [group.lower().split("|") for text in patterns for group in re.findall(r"\(\?:([^()]*)\)", text)]
    assert [group for group in choices if len(set(group)) < len(group)] == []


def test_a_label_longer_than_any_disc_has_is_not_searched_to_its_end():
    label = "Fedora-40" + "-dvd" * 30 + "!"
    assert rules.Labels.of(Media(size=0, volume_id=label)).volume == label[:64]
    assert first_hit(label) is None
