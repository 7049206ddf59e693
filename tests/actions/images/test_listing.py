"""Images as they are listed: lines of JSON that are only decoded where a template names one."""

import json
from pathlib import Path

from kimchictl.actions.images.listing import ImageRows
from kimchictl.media.records import Image
from kimchictl.media.scan.entries import to_row
from kimchictl.store import FileStore, Layer


def test_lines_and_rows_say_the_same_and_know_the_templates_that_name_them(tmp_path: Path) -> None:
    templates = FileStore("templates", [Layer(str(tmp_path), "site", True)])
    with templates.session() as session:
        session.put("by-path", {"name": "by-path", "cdrom": "/srv/c.iso"})
        session.put("by-volume", {"name": "by-volume", "cdrom": "pool:p/b.iso"})
    images = [
        Image("/srv/a\udcff.iso", "file", volume_id="é\x1b[1m"),
        Image("/srv/b.iso", "pool", pool="p", volume="b.iso", boot=("bios",)),
        Image("/srv/c.iso", "file"),
    ]
    rows = ImageRows({image.location: to_row(image) for image in images}, templates)
    assert [json.loads(text) for text in rows.texts()] == list(rows)
    assert [row["used_by"] for row in rows] == [[], ["by-volume"], ["by-path"]]
    assert [row["location"] for row in rows] == [image.location for image in images]
    "\n".join(rows.texts()).encode()  # whatever the names
