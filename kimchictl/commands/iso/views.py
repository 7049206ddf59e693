"""How images are shown: the same from a probe, a scan and the index."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kimchictl.app import App
from kimchictl.media.records import Image
from kimchictl.query import LONG
from kimchictl.render import View

if TYPE_CHECKING:
    from kimchictl.actions.images.listing import ImageRows
    from kimchictl.media.naming.evidence import Evidence

IMAGES = View(
    columns=("location", "os_distro", "os_version", "os_arch", "bootable", "size"),
    keys=Image._fields,
    name="location",
    wide=("os_variant", "volume_id", "boot", "pool", "used_by", "identified_by", "error"),
    sort="location",
)

IN_ORDER = IMAGES._replace(sort=None, ready=True)  # as it is no work to sort them again
REMEMBERED = IN_ORDER._replace(first="kimchictl iso scan --deep PATH")

CHANGES = IMAGES._replace(columns=("change", *IMAGES.columns), keys=("change", *IMAGES.keys))

DUPLICATES = View(
    columns=("locations", "copies", "size", "freeable"),
    keys=("locations", "copies", "size", "freeable", "digest", "volume_id", "os_distro", "os_version"),
    name="locations",
    wide=("volume_id", "digest"),
    sort=None,
)


def emit_images(app: App, rows: "ImageRows") -> None:
    """What an index holds: as it is, where nobody reads the JSON by eye."""
    app.emit_list(rows if len(rows) > LONG else list(rows), REMEMBERED)


def emit_explained(app: App, images: Sequence[Image], evidence: Sequence["Evidence"]) -> None:
    """The images with the evidence of their names: in JSON as the key `evidence`, else as a line a fact."""
    from kimchictl.media.naming.settings import settings_for
    from kimchictl.query import plain

    rows = []
    for image, why in zip(images, evidence, strict=True):
        reasons = plain(why)
        del reasons["identity"]
        rows.append({**plain(image), "evidence": reasons, "settings": plain(settings_for(why.identity, image.boot))})
    if app.format in ("table", "wide"):
        for row in rows:
            app.emit(_facts(row), EXPLAINED)
    else:
        app.emit_list(rows, IMAGES._replace(keys=(*IMAGES.keys, "evidence", "settings")))


EXPLAINED = View((), ("location",), name="location")


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to know of one image, in the order of the reasoning."""
    why = row["evidence"]
    others = [
        f"{other['source']}:{other['name']} ({other['distro']} {other['version']})" for other in why["runners_up"]
    ]
    labels = {f"{name} label": text for name, text in why["labels"].items()}
    named = {key: row[key] for key in ("os_distro", "os_version", "os_arch", "os_variant", "identified_by")}
    inside = {"inside": why["inside"]} if why["inside"] else {}
    return {"location": row["location"], **labels, **inside, **named, "decided": why["decided"], "runners_up": others}
