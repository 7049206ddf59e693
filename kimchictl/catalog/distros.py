"""Known distributions: where their images are, for which architecture, and from which mirror to take them.

A distro is the same record as a template; it must name an image and has no provenance.
"""

from collections.abc import Mapping
from dataclasses import replace

from kimchictl.catalog.fields import DISTRO, HIDDEN
from kimchictl.catalog.parse import parse
from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid
from kimchictl.media.naming.arches import canonical_arch

_RUNS_TOO = {"x86_64": frozenset({"i686"}), "aarch64": frozenset({"armv7l", "armv6l"})}


def parse_distro(document: object, what: str) -> Template:
    """The distro in a decoded JSON value. Raises Invalid."""
    distro = parse(document, what, DISTRO)
    if "made" in distro.extra:  # an exported template serves as a distro, too
        return replace(distro, extra={key: value for key, value in distro.extra.items() if key != "made"})
    return distro


def is_hidden(distro: Template) -> bool:
    """Whether it is there only to hide one of a lower layer."""
    return distro.extra.get(HIDDEN) is True


def runs_on(os_arch: str | None, host_arch: str) -> bool:
    """Whether a host runs a system of `os_arch` without emulation: amd64 is x86_64, which runs i686; None is any."""
    if os_arch is None:
        return True
    wanted, host = canonical_arch(os_arch) or os_arch, canonical_arch(host_arch) or host_arch
    return wanted == host or wanted in _RUNS_TOO.get(host, ())


def addresses(distro: Template, preference: Mapping[str, str]) -> tuple[str, ...]:
    """The URLs to try, in order: where a site's preference (prefix -> replacement) leads, then its own, each once."""
    own = [url for url in (distro.cdrom, *distro.mirrors) if url is not None]
    preferred = []
    for prefix in sorted(preference, key=len, reverse=True):
        replacement = preference[prefix]
        if not isinstance(replacement, str):
            raise Invalid(f"configuration mirrors.{prefix!r} must be a text")
        preferred += [replacement + url.removeprefix(prefix) for url in own if url.startswith(prefix)]
    return tuple(dict.fromkeys([*preferred, *own]))
