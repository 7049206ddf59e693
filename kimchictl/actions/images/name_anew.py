"""Known images follow what the site teaches: named by the labels that the index has, without opening a medium.

The next scan reads them again, and so has the labels, too, that are not kept: the volume set's and the preparer's.
"""

from kimchictl.media.naming.identify import installed_namer
from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.rules import Labels, Rule, all_hits
from kimchictl.media.records import Media
from kimchictl.media.scan.document import Document
from kimchictl.media.scan.entries import Row, changed, to_values
from kimchictl.media.scan.index import Index


def name_anew(index: Index, rule: str) -> int:
    """Name the images that the site's rule called `rule` named, or names now; how many. Raises Locked, Failed."""
    namer = installed_namer()
    if not _rename(index.read(), rule, namer):
        return 0
    with index.session() as document:
        return _rename(document, rule, namer)


def _rename(document: Document, name: str, namer: Namer) -> int:
    rules = [rule for rule in namer.taught if rule.name == name]
    count = 0
    for place in document.places.values():
        for path, entry in place.entries.items():
            row = None if entry.row is None else _named(entry.row, name, rules, namer)
            if row is not None and row != entry.row:
                place.entries[path] = entry._replace(row=row)
                count += 1
    return count


def _named(row: Row, name: str, rules: list[Rule], namer: Namer) -> Row | None:
    """The row with its new name; None for an image that has nothing to do with the rule."""
    values = to_values((row,))[0]
    media = Media(
        size=values["size"] or 0,
        volume_id=values["volume_id"] or "",
        system_id=values["system_id"] or "",
        publisher_id=values["publisher_id"] or "",
        application_id=values["application_id"] or "",
    )
    if values["identified_by"] != f"taught:{name}" and not any(all_hits(rules, Labels.of(media))):
        return None
    found = namer.identify(media)
    return changed(row, **{**found._asdict(), "os_arch": found.os_arch or values["os_arch"]})
