"""The site's own entries of known distributions: added from a URL, hidden, and asked for their image.

find_distro    an entry by its name, among those of osinfo-db too
draft_distro   an entry for a URL: the image is probed, named, and its system's settings filled in
ask_servers    the image of an entry behind the first of its addresses that answers
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kimchictl.catalog.distros import addresses, parse_distro
from kimchictl.catalog.fields import DISTRO, HIDDEN
from kimchictl.catalog.merge import merge
from kimchictl.catalog.nouns import DISTROS
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import to_document
from kimchictl.catalog.records import Template
from kimchictl.catalog.templates import identity_of, recommend, require_installable
from kimchictl.errors import Invalid, NotFound
from kimchictl.media.naming.settings import settings_for
from kimchictl.media.records import Identity, Image
from kimchictl.progress import SILENT, Progress

if TYPE_CHECKING:
    from kimchictl.media.remote import NetSettings
    from kimchictl.store import FileStore


def find_distro(store: "FileStore", name: str) -> tuple[Template, str]:
    """The entry of that name and its origin; what no layer has may be a link of osinfo-db. Raises NotFound, Damaged."""
    try:
        document = store.get(name)
    except NotFound:
        from kimchictl.actions.documents.osinfo_distros import ORIGIN, osinfo_distro

        distro = osinfo_distro(store.read().documents, name)
        if distro is None:
            raise
        return distro, ORIGIN
    return DISTROS.read(document), document.origin


def draft_distro(name: str, url: str, changes: Changes, probe: Callable[[str], Image] | None) -> Template:
    """An entry for the image at `url`; `probe` None does not look at it, and options must say what it is.

    Raises Invalid, NotFound, Failed.
    """
    seen, boot = Identity(), tuple[str, ...]()
    if probe is not None:
        image = probe(url)
        require_installable(image)
        seen, boot = identity_of(image), image.boot
    said = {key: changes.values[key] for key in ("os_distro", "os_version", "os_arch") if changes.values.get(key)}
    seen = seen._replace(**said)
    if seen.os_distro == "unknown":
        raise Invalid(f"distro {name!r}: {url} does not tell its system", "say it with --os-distro and --os-version")
    bare = Template(name, seen.os_distro, seen.os_version, seen.os_arch, url)
    entry = recommend(merge(bare, changes, f"distro {name!r}", DISTRO), settings_for(seen, boot), {})
    return parse_distro(to_document(entry, provenance=False), f"distro {name!r}")


def add_distro(store: "FileStore", distro: Template) -> None:
    """Store a new entry in the site's layer. Raises Exists when any layer has one of that name."""
    with store.session() as session:
        session.put(distro.name, to_document(distro), expect=None)


def hide(store: "FileStore", name: str) -> None:
    """Lay an entry over a packaged one that hides it. Raises NotFound, Invalid for one of the site's own."""
    with store.session() as session:
        document = session.get(name)
        if document.layer.writable and document.hides is None:
            raise Invalid(f"distro {name!r} is this site's own", f"kimchictl distro remove {name!r}")
        session.put(name, {**document.data, HIDDEN: True})


def ask_servers(
    distro: Template, preference: Mapping[str, str], net: "NetSettings", progress: Progress = SILENT
) -> Image:
    """The image of an entry, from the first address that answers. Raises Failed, Damaged."""
    from kimchictl.actions.images.mirrors import probe_mirrors

    return probe_mirrors(addresses(distro, preference), net, progress)[0]
