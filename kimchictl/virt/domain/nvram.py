"""The variables of a UEFI guest's firmware (NVRAM), its boot entries among them: a file that libvirt makes at the first
start, NAME_VARS.fd in a directory of its own.

libvirt has no call that copies it, and uses the file that is there at a start. As a volume of a transient pool it can
be copied on any host, byte by byte: a guest may have written what looks like the header of an image.
"""

import os

from kimchictl.errors import Failed, KimchiError, NotFound
from kimchictl.virt.connection import Host
from kimchictl.virt.domain.domainread import Description
from kimchictl.virt.domain.domains import describe
from kimchictl.virt.storage.transientpool import pool_on
from kimchictl.virt.storage.volumes import delete_volume
from kimchictl.virt.storage.volumestream import download, upload

_LARGEST = 64 << 20  # bytes; that of ARM's firmware, the largest there is


def nvram_path(host: Host, name: str) -> str | None:
    """Where the file of the VM `name` is or will be; None for a guest without any, or where that is not known.

    Before 9.2 libvirt shows no path of a VM that is off. Raises NotFound.
    """
    return nvram_of(host, name, describe(host, name))


def nvram_of(host: Host, name: str, said: Description) -> str | None:
    """The same of a VM whose description is known."""
    if said.nvram or not said.uefi or host.is_test:
        return said.nvram
    if not host.is_session:
        return f"/var/lib/libvirt/qemu/nvram/{name}_VARS.fd"
    if not host.is_local:
        return None  # nobody tells where that user's home is
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return f"{own}/libvirt/qemu/nvram/{name}_VARS.fd"


def copy_nvram(host: Host, source: str, clone: str) -> None:
    """Give the VM `clone`, which has none yet, the variables of `source`; where that cannot be, it is noted."""
    _carry(host, nvram_path(host, source), clone, keep=True)


def move_nvram(host: Host, old: str | None, name: str) -> None:
    """The file `old` of the VM that is called `name` now goes by that name, too; where that cannot be, it is noted.

    libvirt would leave it, for the next VM of the old name to find.
    """
    _carry(host, old, name, keep=False)


def _carry(host: Host, old: str | None, name: str, keep: bool) -> None:
    new = nvram_path(host, name)
    if old is None or new is None or old == new or host.is_test:
        return
    directory, file = os.path.split(old)
    try:
        if os.path.dirname(new) != directory:
            raise Failed(f"{new} is in another directory")
        with pool_on(host, directory) as pool:
            _copy(host, pool, file, os.path.basename(new))
            if not keep:
                delete_volume(host, pool, file)
    except NotFound:
        return  # it never ran
    except KimchiError as error:
        host.note(f"vm {name!r} has no boot entries, as the firmware variables in {old} are not copied: {error}")


def _copy(host: Host, pool: str, old: str, new: str) -> None:
    pieces, size = [], 0
    for piece in download(host, pool, old):
        size += piece if isinstance(piece, int) else len(piece)
        if size > _LARGEST:
            raise Failed(f"{old} is larger than {_LARGEST >> 20} MiB")
        pieces.append(bytes(piece))
    upload(host, pool, new, size, pieces)
