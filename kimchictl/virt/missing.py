"""An object of the host that is not there, and the one that was probably meant."""

from collections.abc import Callable, Iterable

from kimchictl.errors import KimchiError, NotFound, did_you_mean
from kimchictl.virt.connection import Host


def missing(host: Host, message: str, name: str, known: Callable[[], Iterable[str]], otherwise: str) -> NotFound:
    """NotFound, to be raised; its hint is the nearest of `known()` names, or `otherwise`."""
    try:
        return NotFound(message, did_you_mean(name, known(), otherwise))
    except (KimchiError, host.lib.libvirtError, UnicodeDecodeError):  # a volume's name need not be UTF-8
        return NotFound(message, otherwise)
