"""A storage pool for a moment: the way to files of a host for which libvirt has no other call, wherever it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.storage.pools import find_pool, pools_at

NAME = "kimchictl-transient"
_PATIENCE = 2.0  # seconds; who has one needs it for less


@contextmanager
def pool_on(host: Host, directory: str) -> Iterator[str]:
    """The name of an active pool on `directory`: one that is there already, else one that ends with the context.

    libvirt takes no second pool on a directory, so another process's is waited for; one that a killed process left is
    used, and ended. Raises Failed where there is no such directory.
    """
    there = pools_at(host, directory)
    end = time.monotonic() + _PATIENCE
    while NAME in there and time.monotonic() < end:
        time.sleep(0.05)
        there = pools_at(host, directory)
    if there and NAME not in there:
        yield there[0]
        return
    try:
        if not there:
            _create(host, directory)
        yield NAME
    finally:
        with asking(f"pool {NAME!r} is left behind"):
            find_pool(host, NAME).destroy()


def _create(host: Host, directory: str) -> None:
    root = xml.Element("pool", type="dir")
    xml.add(root, "name", NAME)
    xml.add(xml.add(root, "target"), "path", directory)
    with asking(f"directory {directory} of host {host.uri}"):
        host.conn.storagePoolCreateXML(xml.serialize(root), 0)
