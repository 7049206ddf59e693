"""The password of a server that a guest boots from: libvirt keeps it, in no domain's XML and for no client to read.

A network disk takes a secret of usage type iscsi, whatever its protocol; others are refused. Ours are called
kimchictl:UUID:HEX and are private: libvirt gives them to qemu alone. Whose they are is told by the UUIDs in their
descriptions, whatever a VM is called by now: the one that it was made for, and those of its clones. They last as long
as a VM names them, as it needs them at each of its starts.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from kimchictl.errors import KimchiError
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code

_PREFIX = "kimchictl:"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def make_secret(host: Host, uuid: str, server: str, password: str) -> str:
    """Keep `password` for the VM with that UUID; the usage by which a domain names it. Raises HostError, Failed."""
    usage = f"{_PREFIX}{uuid}:{secrets.token_hex(4)}"
    secret = xml.Element("secret", ephemeral="no", private="yes")
    xml.add(secret, "description", f"the login at {server} for these VMs: {uuid}")
    xml.add(xml.add(secret, "usage", type="iscsi"), "target", usage)
    with asking(f"the password for {server} cannot be kept"):
        made = host.conn.secretDefineXML(xml.serialize(secret), 0)
        try:
            made.setValue(password.encode())
        except BaseException:
            made.undefine()
            raise
    return usage


def share_secrets(host: Host, document: str, uuid: str) -> None:
    """Those of ours that `document`, a domain, names are the VM's with that UUID, too. Raises HostError, Failed."""
    named = set(usages_in(document))
    with asking(f"the passwords of vm {uuid} cannot be kept"):
        for usage, root in _ours(host).items() if named else ():
            description = root.find("description")
            if usage in named and description is not None and uuid not in _owners(root):
                description.text = f"{description.text}, {uuid}"
                host.conn.secretDefineXML(xml.serialize(root), 0)  # with its UUID: the same one, and its value stays


def forget_secret(host: Host, usage: str) -> None:
    """Remove it; what is gone already is gone. Raises HostError, Failed."""
    with asking(f"secret {usage!r} cannot be removed"):
        try:
            host.conn.secretLookupByUsage(host.lib.VIR_SECRET_USAGE_TYPE_ISCSI, usage).undefine()
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_SECRET"):
                raise


def forget_unnamed(host: Host, usage: str) -> None:
    """The same; but one that a VM names stays, as it was given to it after all. Raises HostError, Failed."""
    if usage in unneeded_secrets(host, "", (usage,)):
        forget_secret(host, usage)


def secrets_of(host: Host, vm: str) -> tuple[str, ...]:
    """The usages of the secrets of ours that are this VM's and that no other one names. Raises HostError, Failed."""
    with asking(f"vm {vm!r}"):
        uuid = host.conn.lookupByName(vm).UUIDString()
    owners, named = _kept(host)
    own = {usage for usage in owners if uuid in owners[usage] or usage in named.get(uuid, ())}
    return tuple(sorted(own.difference(*(usages for other, usages in named.items() if other != uuid))))


def unneeded_secrets(host: Host, uuid: str, usages: Iterable[str] = ()) -> list[str]:
    """Of the secrets of the VM with that UUID, and of ours among `usages`, those that no VM names (any more)."""
    owners, named = _kept(host)
    found = {usage for usage in owners if uuid in owners[usage]} | owners.keys() & set(usages)
    return sorted(found.difference(*named.values()))


def forget_unneeded(host: Host, uuid: str, usages: Iterable[str] = ()) -> None:
    """Remove `unneeded_secrets`; one that cannot be is noted, and stays."""
    try:
        for usage in unneeded_secrets(host, uuid, usages):
            forget_secret(host, usage)
    except KimchiError as error:
        host.note(f"the password of the former image's server stays: {error}")


def _kept(host: Host) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """(the secrets of ours with whose they are, what each VM names), VMs by UUID; not asked if there is no secret."""
    with asking(f"host {host.uri}: secrets"):
        owners = {usage: _owners(root) for usage, root in _ours(host).items()}
    with asking(f"host {host.uri}: vm list"):
        domains = host.conn.listAllDomains(0) if owners else ()
        return owners, {each.UUIDString(): named_by(host, each) for each in domains}


def _ours(host: Host) -> dict[str, xml.Element]:
    """Usage -> definition; none on a host that keeps no secrets. Raises libvirtError."""
    try:
        listed = host.conn.listAllSecrets(0)
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT"):
            return {}
        raise
    found = {}
    for secret in listed:
        if (usage := secret.usageID()).startswith(_PREFIX):
            try:
                found[usage] = xml.parse(secret.XMLDesc(0), f"secret {usage!r}")
            except host.lib.libvirtError as error:
                if not is_code(error, "NO_SECRET"):  # it has gone meanwhile
                    raise
    return found


def _owners(root: xml.Element) -> set[str]:
    return set(_UUID.findall(xml.text(root, "description") or ""))


def named_by(host: Host, domain: Any) -> set[str]:
    """The usages that a domain names: as it runs, as it is defined, and as a snapshot or saved memory would bring it.

    Raises libvirtError.
    """
    try:
        documents = [domain.XMLDesc(flag) for flag in {0, host.lib.VIR_DOMAIN_XML_INACTIVE}]
        documents += [snapshot.getXMLDesc(0) for snapshot in domain.listAllSnapshots(0)]
        if domain.hasManagedSaveImage(0):
            documents.append(domain.managedSaveGetXMLDesc(0))
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return set()
        raise
    return {usage for document in documents for usage in usages_in(document)}


def usages_in(document: str) -> Iterable[str]:
    """The usages of all secrets that a domain's drives name."""
    root = xml.parse(document, "a vm")
    return [usage for secret in root.iter("secret") if (usage := secret.get("usage"))]
