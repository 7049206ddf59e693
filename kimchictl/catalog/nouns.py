"""The two kinds of document that an admin keeps, for what is done to both alike: read, edit, clone, export."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kimchictl.catalog.distros import parse_distro
from kimchictl.catalog.fields import DISTRO, TEMPLATE
from kimchictl.catalog.kinds import Record
from kimchictl.catalog.parse import parse
from kimchictl.catalog.records import Template
from kimchictl.errors import Damaged, Invalid


class Stored(Protocol):
    """What of a store's document is needed here."""

    @property
    def name(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...
    @property
    def path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Noun:
    """`word` is how messages call one ("template"), `record` its keys."""

    word: str
    record: Record
    _parse: Callable[[object, str], Template]

    def what(self, name: str) -> str:
        """The object of a sentence: "template 'web'"."""
        return f"{self.word} {name!r}"

    def parse(self, data: Mapping[str, Any] | object, name: str) -> Template:
        """Raises Invalid."""
        return self._parse(data, self.what(name))

    def read(self, document: Stored) -> Template:
        """The record in a stored document. Raises Damaged, naming the file, when it breaks a rule."""
        try:
            return self._parse(document.data, self.what(document.name))
        except Invalid as error:
            raise Damaged(
                f"{error} (in {document.path})", f"correct it: kimchictl {self.word} edit {document.name}"
            ) from None


TEMPLATES = Noun("template", TEMPLATE, parse)
DISTROS = Noun("distro", DISTRO, parse_distro)
