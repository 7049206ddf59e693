"""JSON Schema (2020-12) of a template and of a distro, from the one definition in `fields`.

`python -m kimchictl.catalog.schema` writes data/template.schema.json and data/distro.schema.json; a test says so when
they are not what this prints.
"""

import json
import os
from typing import Any

from kimchictl.catalog.fields import DISTRO, TEMPLATE
from kimchictl.catalog.kinds import Record

DIRECTORY = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data")
KINDS = {"template": TEMPLATE, "distro": DISTRO}


def schema(kind: str) -> dict[str, Any]:
    """The schema of "template" or "distro". Unknown keys are allowed: a file keeps them."""
    record: Record = KINDS[kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A {kind} of kimchictl",
        **record.schema(),
    }


def schema_text(kind: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def schema_path(kind: str) -> str:
    return os.path.join(DIRECTORY, f"{kind}.schema.json")


def main() -> None:
    """Write both files."""
    for kind in KINDS:
        with open(schema_path(kind), "w", encoding="utf-8") as file:
            file.write(schema_text(kind))


if __name__ == "__main__":
    main()
