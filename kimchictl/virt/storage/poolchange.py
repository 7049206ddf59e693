"""Storage pools made, changed, started, stopped and forgotten."""

import os
from collections.abc import Iterable
from shlex import quote
from typing import Any

from kimchictl.errors import Exists, Failed, InUse, Invalid, KimchiError, WrongState
from kimchictl.locks.signals import uninterrupted
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code, translate
from kimchictl.virt.domain.definition import parse
from kimchictl.virt.storage.pools import find_active_pool, find_pool, outline
from kimchictl.virt.storage.poolxml import PoolPlan, pool_xml

GONE = "it is gone when it is stopped; kimchictl pool create makes one that stays"
_BUILT = ("dir", "fs", "netfs")  # building them makes the directory; building others would erase what is there


def create_pool(
    host: Host, name: str, plan: PoolPlan, kind: str = "dir", start: bool = False, autostart: bool = True
) -> None:
    """Define a pool, make its directory where it has one, and start it if asked. Undone if a step fails.

    Raises Exists, Invalid, Failed.
    """
    with asking(f"host {host.uri}: pool list"):
        if name in {pool.name() for pool in host.conn.listAllStoragePools(0)}:
            raise Exists(f"pool {name!r} already exists", f"kimchictl pool show {quote(name)}")
    require_directory(host, name, plan.path)
    with uninterrupted():  # what is active and then undefined would still be there, until it is stopped
        pool = _define(host, pool_xml(name, kind, plan), f"pool {name!r} cannot be created")
        try:
            with asking(f"pool {name!r} cannot be created{f' at {plan.path}' if plan.path else ''}"):
                if kind in _BUILT and not _keeps_its_mode(host, kind, plan):
                    pool.build(0)
                pool.setAutostart(int(autostart))
                if start:
                    pool.create(0)
        except KimchiError:
            _undefine(host, pool, name)
            raise


def require_directory(host: Host, name: str, path: str | None) -> None:
    """Raises Invalid where something else than a directory lies at `path`, as far as is seen from here.

    libvirt defines and builds such a pool, which then never starts.
    """
    if path and host.is_local and not host.is_test and os.path.exists(path) and not os.path.isdir(path):
        raise Invalid(f"pool {name!r} cannot be at {path}, which is no directory", "name the directory that it lies in")


def _keeps_its_mode(host: Host, kind: str, plan: PoolPlan) -> bool:
    """Whether the directory is there, and libvirt would change its mode: of type netfs it does, to 0711."""
    return kind == "netfs" and host.is_local and not host.is_test and os.path.isdir(plan.path or "")


def _undefine(host: Host, pool: Any, name: str) -> None:
    try:
        pool.undefine()
    except host.lib.libvirtError as error:
        host.note(f"pool {name!r} was left behind: {error.get_error_message()}")


def read_definition(host: Host, name: str) -> str:
    """The XML of a pool that can be changed, as it will be when it starts. Raises WrongState for one that cannot.

    How large it was found to be at last is left out, as nobody decides that.
    """
    pool = find_pool(host, name)
    with asking(f"pool {name!r} cannot be changed"):
        if not pool.isPersistent():
            raise WrongState(f"pool {name!r} is transient: it has no definition to change", GONE)
        if pool.isActive():
            raise WrongState(f"pool {name!r} is active", f"kimchictl pool stop {quote(name)}")
        root = parse(pool.XMLDesc(host.lib.VIR_STORAGE_XML_INACTIVE), f"pool {name!r}")
    for measured in [child for child in root if child.tag in ("capacity", "allocation", "available")]:
        root.remove(measured)
    return xml.serialize(root)


def redefine(host: Host, name: str, document: str) -> None:
    """Make `document` the definition of the pool `name`. Raises Invalid, InUse."""
    _define(host, document, f"pool {name!r} cannot be changed")


def _define(host: Host, document: str, what: str) -> Any:
    """Validated by libvirt's schema. Raises Invalid; InUse for what another pool is on."""
    try:
        return host.conn.storagePoolDefineXML(document, host.flag("STORAGE_POOL_DEFINE_VALIDATE"))
    except host.lib.libvirtError as error:
        raise _refusal(error, what) from None


def _refusal(error: Any, what: str) -> KimchiError:
    message = error.get_error_message() or ""
    if "source conflict" in message:  # libvirt has no code of its own for it
        return InUse(
            f"{what}: another pool is there already: {message}", "kimchictl pool list -o wide shows where all are"
        )
    lacks = "the host lacks libvirt's driver for it, which is in a package like libvirt-daemon-driver-storage-rbd"
    return translate(error, what, lacks if "missing backend" in message else None)


def start_pool(host: Host, name: str) -> bool:
    """False if it was active already."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r} does not start", _gone(host, name)):
        if pool.isActive():
            return False
        pool.create(0)
    return True


def _gone(host: Host, name: str) -> str | None:
    """What to do about a pool of a directory that is not there, as seen from here."""
    kind, path, _ = outline(host, name)
    if kind != "dir" or path is None or not host.is_local or host.is_test or os.path.exists(path):
        return None
    return f"make or mount {quote(path)} again"


def stop_pool(host: Host, name: str) -> bool:
    """False if it was inactive already. Its volumes stay; that a transient one is gone is noted."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r} does not stop"):
        if not pool.isActive():
            return False
        persistent = pool.isPersistent()
        pool.destroy()
    if not persistent:
        host.note(f"pool {name!r}: it was transient, and is gone; what is in it stays")
    return True


def set_autostart(host: Host, name: str, wanted: bool) -> bool:
    """Start it with the host, or not; False if it was so already."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r}: autostart"):
        if bool(pool.autostart()) == wanted:
            return False
        pool.setAutostart(int(wanted))
    return True


def delete_pool(host: Host, name: str) -> None:
    """Forget the definition of an inactive pool; its directory and what is in it stay. Raises WrongState."""
    pool = find_pool(host, name)
    with asking(f"pool {name!r} cannot be deleted"):
        if pool.isActive():
            state = "active" if pool.isPersistent() else "transient, and gone when it is stopped"
            raise WrongState(f"pool {name!r} is {state}", f"kimchictl pool stop {quote(name)}")
        pool.undefine()


def empty_pool(host: Host, name: str, volumes: Iterable[str]) -> list[str]:
    """Delete these volumes of an active pool; what could not be, and why. Raises NotFound, WrongState."""
    pool = find_active_pool(host, name)
    left = []
    for volume in volumes:
        try:
            pool.storageVolLookupByName(volume).delete(0)
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_STORAGE_VOL"):
                left.append(error.get_error_message())
    return left


def remove_directory(host: Host, name: str) -> None:
    """Remove the empty directory of an inactive pool. Raises Failed where something is left in it."""
    pool = find_pool(host, name)
    try:
        pool.delete(0)
    except host.lib.libvirtError as error:
        raise Failed(f"pool {name!r}: its directory stays: {error.get_error_message()}") from None
