"""An object of the host that is not there, and the one that was probably meant."""

from collections.abc import Callable, Iterable

from kimchictl.errors import KimchiError, NotFound
from kimchictl.virt.connection import Host


def missing(host: Host, message: str, name: str, known: Callable[[], Iterable[str]], otherwise: str) -> NotFound:
    """NotFound, to be raised; its hint is the nearest of `known()` names, or `otherwise`."""
    import difflib

    try:
        close = difflib.get_close_matches(name, list(known()), 1)
    except (KimchiError, host.lib.libvirtError, UnicodeDecodeError):  # a volume's name need not be UTF-8
        close = []
    return NotFound(message, f"did you mean {close[0]!r}?" if close else otherwise)
