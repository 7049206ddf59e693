"""The variables of a UEFI guest's firmware (NVRAM), its boot entries among them: a file that libvirt makes at the first
start, NAME_VARS.fd in a directory of its own.

libvirt has no call that copies it, and uses the file that is there at a start, whatever it is. As a volume of a
transient pool it can be copied on any host, byte by byte: a guest may have written what looks like the header of an
image.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from kimchictl.errors import Failed, NotFound
from kimchictl.virt.connection import Host
from kimchictl.virt.domain.domainread import Description
from kimchictl.virt.domain.domains import describe, descriptions
from kimchictl.virt.storage.pools import list_pools
from kimchictl.virt.storage.transientpool import pool_on
from kimchictl.virt.storage.volumes import VolumeFile, delete_volume, find_both, names
from kimchictl.virt.storage.volumestream import download, upload

_LARGEST = 64 << 20  # bytes; that of ARM's firmware, the largest there is


@dataclass(frozen=True, slots=True)
class Variables:
    """What such a file holds, `size` bytes; `looks` changes whenever it is written."""

    size: int
    looks: str
    pieces: list[bytes] = field(repr=False)


def nvram_path(host: Host, name: str) -> str | None:
    """Where the file of the VM `name` is or will be; None for a guest without any, or where that is not known.

    Before 9.2 libvirt shows no path of a VM that is off. Raises NotFound.
    """
    return nvram_of(host, name, describe(host, name))


def nvram_of(host: Host, name: str, said: Description) -> str | None:
    """The same of a VM whose description is known."""
    return said.nvram if said.nvram or not said.uefi else own_path(host, name)


def own_path(host: Host, name: str, like: str | None = None) -> str | None:
    """Where libvirt puts the file of a VM of that name, in the format of that at `like`; None where nobody tells."""
    if host.is_test or (host.is_session and not host.is_local):  # where is that user's home?
        return None
    file = f"{name}_VARS{'.qcow2' if (like or '').endswith('.qcow2') else '.fd'}"
    if not host.is_session:
        return f"/var/lib/libvirt/qemu/nvram/{file}"
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{own}/libvirt/qemu/nvram/{file}"


def nvram_users(host: Host, path: str) -> set[str]:
    """The names of all VMs that have their variables in the file `path`."""
    return {name for name, said in descriptions(host) if nvram_of(host, name, said) == path}


def nvram_sharers(host: Host, name: str) -> set[str]:
    """The names of other VMs that have their variables in the same file as the VM `name`. Raises NotFound."""
    path = nvram_path(host, name)
    return nvram_users(host, path) - {name} if path is not None else set()


def read_variables(host: Host, path: str) -> Variables | None:
    """What the file on the host holds; None where there is none. Raises Failed."""
    with _file(host, path) as (pool, file):
        if pool is None:
            return None
        pieces, size = [], 0
        for piece in download(host, pool, file):
            size += piece if isinstance(piece, int) else len(piece)
            if size > _LARGEST:
                raise Failed(f"{path} is larger than {_LARGEST >> 20} MiB")
            pieces.append(bytes(piece))
        return Variables(size, looks_of(find_both(host, pool, file)[1]), pieces)


def write_variables(host: Host, path: str, variables: Variables, made: Callable[[], None]) -> None:
    """Make the file; `made()` is called when it is there and still empty. Raises Exists, Failed."""
    directory, file = os.path.split(path)
    with pool_on(host, directory) as pool:
        upload(host, pool, file, variables.size, variables.pieces, made)


def remove_variables(host: Host, path: str, is_ours: Callable[[VolumeFile], bool]) -> bool | None:
    """Delete the file if it `is_ours`: whether it was; None where there is none."""
    with _file(host, path) as (pool, file):
        if pool is None:
            return None
        ours = is_ours(find_both(host, pool, file)[1])
        if ours:
            delete_volume(host, pool, file)
        return ours


def own_paths(host: Host, name: str) -> list[str]:
    """Where libvirt may put the file of a VM of that name, by the format of its firmware."""
    return [path for form in (".fd", ".qcow2") if (path := own_path(host, name, form)) is not None]


def find_variables(host: Host, name: str) -> str | None:
    """The path of a file on the host that a VM of that name would take for its own; None where there is none."""
    for path in own_paths(host, name):
        with _file(host, path) as (pool, _):
            if pool is not None:
                return path
    return None


def looks_of(file: VolumeFile) -> str:
    """What changes whenever the file is written."""
    return f"{file.size} {file.mtime}"


@contextmanager
def _file(host: Host, path: str) -> Iterator[tuple[str | None, str]]:
    """(pool, volume) by which the file can be had; the pool None where there is no such file."""
    directory, file = os.path.split(path)
    with ExitStack() as stack:
        pool = None
        with suppress(NotFound):
            pool = stack.enter_context(pool_on(host, directory))
        if pool is not None:
            list_pools(host, (pool,))  # it may be an old one, and the file of this moment
            pool = pool if file in names(host, pool) else None
        yield pool, file
