"""A storage pool for a moment: the way to files of a host for which libvirt has no other call, wherever it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kimchictl.errors import Disconnected, KimchiError, NotFound
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, translate
from kimchictl.virt.storage.pools import find_pool, names, pools_at

NAME = "kimchictl-transient"
_PATIENCE = 5.0  # seconds; who has one needs it for less
_ATTEMPTS = 3
_BACK = 5.0  # seconds for libvirtd to come back


@contextmanager
def pool_on(host: Host, directory: str) -> Iterator[str]:
    """The name of an active pool on `directory`: one that is there already, else one that ends with the context.

    There is one at a time on a host: another process's is waited for, and one that a killed process left is ended,
    wherever it is. Raises NotFound where there is no such directory.
    """
    there = [name for name in pools_at(host, directory) if name != NAME]
    if there:
        yield there[0]
        return
    _begin(host, directory)
    try:
        yield NAME
    finally:
        _end(host)


def _begin(host: Host, directory: str) -> None:
    end, alone = time.monotonic() + _PATIENCE, 0
    while True:
        try:
            return _create(host, directory)
        except (Disconnected, NotFound):
            raise
        except KimchiError:
            alone = 0 if NAME in names(host) else alone + 1
            if alone == _ATTEMPTS:  # it is not for another one, which ended meanwhile, that it cannot be
                raise
        if time.monotonic() > end:
            _end(host)
            end += _PATIENCE
        time.sleep(0.05)


def _create(host: Host, directory: str) -> None:
    root = xml.Element("pool", type="dir")
    xml.add(root, "name", NAME)
    xml.add(xml.add(root, "target"), "path", directory)
    subject = f"directory {directory} of host {host.uri}"
    try:
        host.conn.storagePoolCreateXML(xml.serialize(root), 0)
    except host.lib.libvirtError as error:
        if is_code(error, "SYSTEM_ERROR") and "No such file" in error.get_error_message():
            raise NotFound(f"{subject} does not exist") from None
        raise translate(error, subject) from None


def _end(host: Host) -> None:
    """A daemon that restarts keeps the pool: it is waited for."""
    try:
        _destroy(host)
    except KimchiError as error:
        if not isinstance(error, Disconnected) and host.is_alive:
            raise
        host.reopen(_BACK)
        _destroy(host)


def _destroy(host: Host) -> None:
    with suppress(NotFound), asking(f"pool {NAME!r} is left behind"):
        find_pool(host, NAME).destroy()
