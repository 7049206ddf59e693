"""How distros are shown: the keys of their files, and where each file lies."""

from typing import Any

from kimchictl.catalog.fields import DISTRO, HIDDEN
from kimchictl.catalog.parse import to_document
from kimchictl.catalog.records import Template
from kimchictl.commands.template.views import TEMPLATES
from kimchictl.render import View

KEYS = (*(key.name for key in DISTRO.keys if key.name != HIDDEN), "origin")
DISTROS = View(
    formats=TEMPLATES.formats,
    units=TEMPLATES.units,
    ready=True,
    columns=("name", "os_distro", "os_version", "os_arch", "origin"),
    keys=KEYS,
    wide=("cdrom", "description"),
)


def row(distro: Template, origin: str) -> dict[str, Any]:
    """What a distro says, None where it says nothing: only a template has defaults."""
    given = to_document(distro, provenance=False)
    known = {key: given.get(key) for key in KEYS}
    disks = [{"index": index, **disk} for index, disk in enumerate(given["disks"])] if "disks" in given else None
    return {**known, **distro.extra, "mirrors": list(distro.mirrors), "disks": disks, "origin": origin}
