"""A private libvirtd and qemu, one for the whole run; see tests/lab/host.py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from lab.host import PrivateHost
from lab.run import Run
from lab.sshd import SSHD, SshServer


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
    monkeypatch.undo()  # a test may have patched what empty() calls
    empty(private_host.uri)


@pytest.fixture(scope="module")
def shared_host(private_host: PrivateHost) -> Iterator[PrivateHost]:
    """The host for what all tests of a file share, empty before the first one and after the last."""
    empty(private_host.uri)
    yield private_host
    empty(private_host.uri)


def empty(uri: str) -> None:
    """Removes what a test made: domains with all that goes with them, pools, networks but `default`, secrets."""
    connection = libvirt.open(uri)
    try:
        for domain in connection.listAllDomains():
            with gone_already():
                remove_domain(domain)
        for thing in [*connection.listAllStoragePools(), *connection.listAllNetworks()]:
            with gone_already():
                stop(thing, keep=isinstance(thing, libvirt.virNetwork) and thing.name() == "default")
        for secret in connection.listAllSecrets():
            secret.undefine()
    finally:
        connection.close()


@contextlib.contextmanager
def gone_already() -> Iterator[None]:
    """What goes while it is looked at, as a guest that powers itself off, is gone."""
    gone = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_NETWORK)
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (*gone, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def remove_domain(domain: libvirt.virDomain) -> None:
    flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    if domain.isPersistent():
        domain.undefineFlags(flags)  # one that runs becomes transient: gone when it is off
    if domain.isActive():
        domain.destroy()


def stop(thing: libvirt.virStoragePool | libvirt.virNetwork, keep: bool) -> None:
    """Stops and, unless it is kept, undefines; a transient one is gone when it is stopped."""
    persistent = thing.isPersistent()
    if thing.isActive():
        thing.destroy()
    if persistent and not keep:
        thing.undefine()


@pytest.fixture
def active_pool(host: PrivateHost, tmp_path: Path) -> Path:
    """The directory of the pool `default`, which is active as is the network `default`."""
    (tmp_path / "pool").mkdir()
    connection = libvirt.open(host.uri)
    target = f"<target><path>{tmp_path}/pool</path></target>"
    connection.storagePoolDefineXML(f"<pool type='dir'><name>default</name>{target}</pool>").create()
    connection.networkLookupByName("default").create()
    connection.close()
    return tmp_path / "pool"


@pytest.fixture
def small_raw_disk(kimchi: Callable[..., Run]) -> Callable[[str], None]:
    """Gives a VM a raw disk NAME.img: libvirt reads all of a raw image to copy it, holes included."""

    def attach(name: str) -> None:
        kimchi("volume", "create", "default", f"{name}.img", "--size", "8M", "--format", "raw", status=0)
        kimchi("vm", "disk", "attach", name, f"pool:default/{name}.img", status=0)

    return attach


@pytest.fixture(scope="module")
def ssh(private_host: PrivateHost) -> Iterator[str]:
    """The URI of the host as one far away, over ssh."""
    if SSHD is None:
        pytest.skip("sshd is not installed")
    with SshServer(private_host) as server:
        yield server.uri


@pytest.fixture
def pool(host: PrivateHost, kimchi: Callable[..., Run], tmp_path: Path) -> Path:
    """The directory of an active pool `p`."""
    kimchi("pool", "create", "p", "--path", tmp_path / "p", "--start", status=0)
    return tmp_path / "p"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 5 MiB with holes in the middle and at its end."""
    path = tmp_path / "data.img"
    with path.open("wb") as out:
        out.write(os.urandom(1 << 20))
        out.seek(3 << 20)
        out.write(os.urandom(4096))
        out.truncate(5 << 20)
    return path
