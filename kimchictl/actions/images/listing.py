"""Images as they are listed: from the lines of the index, which are decoded only where that is needed."""

from collections.abc import Iterator, Mapping

from kimchictl.actions.documents.usage import template_users, users_of
from kimchictl.media.scan.entries import Row as Line
from kimchictl.media.scan.entries import changed, to_values
from kimchictl.query import Encoded, Row
from kimchictl.store import FileStore


class ImageRows(Encoded):
    """Images by location, in order, each with the templates that name it."""

    def __init__(self, lines: Mapping[str, Line], templates: FileStore) -> None:
        users = template_users(templates)
        self._lines = _used(lines, users) if users else lines

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Row]:
        return iter(to_values(self._lines.values()))

    def texts(self) -> Iterator[str]:
        return iter(self._lines.values())


def _used(lines: Mapping[str, Line], users: Mapping[str, list[str]]) -> dict[str, Line]:
    """`lines` with `used_by` filled in. Only those are decoded that a template may name."""
    pools = any(named.startswith("pool:") for named in users)
    used = dict(lines)
    for path, line in lines.items():
        if path in users or (pools and '"source": "pool"' in line):
            values = to_values((line,))[0]
            if names := users_of(values["location"], values["pool"], values["volume"], users):
                used[path] = changed(line, used_by=names)
    return used
