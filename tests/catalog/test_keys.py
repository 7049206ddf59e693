"""The names of the keys, beside their definition."""

from kimchictl.catalog.fields import TEMPLATE
from kimchictl.catalog.keys import TEMPLATE_KEYS


def test_the_names_are_those_of_the_definition_in_its_order():
    assert tuple(key.name for key in TEMPLATE.keys) == TEMPLATE_KEYS
