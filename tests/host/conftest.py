"""A private libvirtd and qemu, one for the whole run; see tests/lab/host.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from lab.host import PrivateHost


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this directory needs the host."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def private_host() -> Iterator[PrivateHost]:
    """The host itself: `.uri`, `.run(argv)` and `.listen()` on it, `.log()`."""
    with PrivateHost() as running:
        yield running


@pytest.fixture
def host(private_host: PrivateHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateHost]:
    """The host, empty as it was at first, and the one that kimchictl talks to when no -c says otherwise."""
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", private_host.uri)
    yield private_host
    empty(private_host.uri)


def empty(uri: str) -> None:
    """Removes what a test made: domains with all that goes with them, pools, networks but `default`."""
    connection = libvirt.open(uri)
    try:
        for domain in connection.listAllDomains():
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(
                    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
                )
        for pool in connection.listAllStoragePools():
            _end(pool)
        for network in connection.listAllNetworks():
            if network.name() == "default":
                if network.isActive():
                    network.destroy()
            else:
                _end(network)
        for secret in connection.listAllSecrets():
            secret.undefine()
    finally:
        connection.close()


def _end(thing: libvirt.virStoragePool | libvirt.virNetwork) -> None:
    """Stops and undefines; a transient one is gone when it is stopped."""
    persistent = thing.isPersistent()
    if thing.isActive():
        thing.destroy()
    if persistent:
        thing.undefine()
