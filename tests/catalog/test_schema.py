"""The schema that ships is the definition that checks."""

import pytest

from kimchictl.catalog.fields import DISTRO, TEMPLATE
from kimchictl.catalog.schema import KINDS, schema, schema_path, schema_text


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_what_the_definition_gives(kind):
    with open(schema_path(kind), encoding="utf-8") as file:
        assert file.read() == schema_text(kind), "run python -m kimchictl.catalog.schema"


@pytest.mark.parametrize(("kind", "record"), [("template", TEMPLATE), ("distro", DISTRO)])
def test_every_key_is_in_the_schema_with_its_meaning(kind, record):
    properties = schema(kind)["properties"]
    assert list(properties) == [key.name for key in record.keys]
    assert all(properties[key.name]["description"] == key.meaning for key in record.keys)


def test_limits_are_the_ones_that_are_checked():
    properties = schema("template")["properties"]
    assert (properties["memory"]["minimum"], properties["memory"]["maximum"]) == (512, 4194304)
    assert properties["disks"]["items"]["properties"]["format"]["enum"][0] == "qcow2"
    assert schema("distro")["required"] == ["name", "cdrom"]
