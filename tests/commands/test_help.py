import pytest

from kimchictl.config import KEYS


@pytest.mark.parametrize("subject", ["output", "filters", "exit-status", "places"])
def test_every_subject_fits_its_screen_width(kimchi, subject):
    text = kimchi("help", subject, status=0).out
    assert text
    assert max(map(len, text.splitlines())) <= 125


def test_the_exit_statuses_are_those_of_the_errors(kimchi):
    text = kimchi("help", "exit-status").out
    assert [line.split()[0] for line in text.splitlines() if line[:4].strip()][:9] == list("012345678")


def test_every_configuration_key_and_its_variable_are_explained(kimchi):
    text = kimchi("help", "places").out
    assert all(f" {key.name} " in text and f" {key.variable} " in text for key in KEYS.values())
