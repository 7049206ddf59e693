"""The password of a server that a guest boots from: libvirt keeps it, in no domain's XML and for no client to read.

A network disk takes a secret of usage type iscsi, whatever its protocol; others are refused. Ours are called
kimchictl:VM:HEX and are private: libvirt gives them to qemu alone. They last as long as the VM names them, as it needs
them at each of its starts.
"""

import secrets
from collections.abc import Iterable
from typing import Any

from kimchictl.errors import KimchiError
from kimchictl.virt import xml
from kimchictl.virt.connection import Host, asking, is_code

_PREFIX = "kimchictl:"


def make_secret(host: Host, vm: str, server: str, password: str) -> str:
    """Keep `password` for the VM of that name; the usage by which a domain names it. Raises HostError, Failed."""
    usage = f"{_PREFIX}{vm}:{secrets.token_hex(4)}"
    secret = xml.Element("secret", ephemeral="no", private="yes")
    xml.add(secret, "description", f"the login at {server} for vm {vm}")
    xml.add(xml.add(secret, "usage", type="iscsi"), "target", usage)
    with asking(f"vm {vm!r}: the password for {server} cannot be kept"):
        made = host.conn.secretDefineXML(xml.serialize(secret), 0)
        try:
            made.setValue(password.encode())
        except BaseException:
            made.undefine()
            raise
    return usage


def forget_secret(host: Host, usage: str) -> None:
    """Remove it; what is gone already is gone. Raises HostError, Failed."""
    with asking(f"secret {usage!r} cannot be removed"):
        try:
            host.conn.secretLookupByUsage(host.lib.VIR_SECRET_USAGE_TYPE_ISCSI, usage).undefine()
        except host.lib.libvirtError as error:
            if not is_code(error, "NO_SECRET"):
                raise


def secrets_of(host: Host, vm: str) -> tuple[str, ...]:
    """The usages of the secrets of ours that are for this VM and that no other one names. Raises HostError, Failed."""
    ours, named = _kept(host)
    own = {usage for usage in ours if usage in named.get(vm, ()) or usage.rpartition(":")[0] == _PREFIX + vm}
    return tuple(sorted(own.difference(*(usages for name, usages in named.items() if name != vm))))


def forget_unnamed(host: Host, usages: Iterable[str]) -> None:
    """Remove those of `usages` that are ours and that no VM names any more; one that cannot be is noted, and stays."""
    try:
        ours, named = _kept(host)
        for usage in sorted(ours.intersection(usages).difference(*named.values())):
            forget_secret(host, usage)
    except KimchiError as error:
        host.note(f"the password of the former image's server stays: {error}")


def _kept(host: Host) -> tuple[set[str], dict[str, set[str]]]:
    """(the usages of all secrets of ours, those that each VM names); nobody is asked where there are none."""
    try:
        ours = {usage for secret in host.conn.listAllSecrets(0) if (usage := secret.usageID()).startswith(_PREFIX)}
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT"):
            return set(), {}
        with asking(f"host {host.uri}: secrets"):
            raise
    with asking(f"host {host.uri}: vm list"):
        return ours, {each.name(): named_by(host, each) for each in (host.conn.listAllDomains(0) if ours else ())}


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
