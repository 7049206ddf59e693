"""The password of a server that a guest boots from: libvirt keeps it, in no domain's XML and for no client to read.

A network disk takes a secret of usage type iscsi, whatever its protocol; others are refused. Ours are called
kimchictl:VM:HEX and are private: libvirt gives them to qemu alone. They last as long as the VM, which needs them at
each of its starts.
"""

import secrets
from collections.abc import Iterable
from typing import Any

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
    try:
        there = [secret.usageID() for secret in host.conn.listAllSecrets(0)]
    except host.lib.libvirtError as error:
        if is_code(error, "NO_SUPPORT"):
            return ()
        with asking(f"host {host.uri}: secrets"):
            raise
    ours = {usage for usage in there if usage.startswith(_PREFIX)}
    if not ours:
        return ()
    with asking(f"host {host.uri}: vm list"):
        named = {domain.name(): _named(host, domain) for domain in host.conn.listAllDomains(0)}
    own = {usage for usage in ours if usage in named.get(vm, ()) or usage.rpartition(":")[0] == _PREFIX + vm}
    return tuple(sorted(own.difference(*(usages for name, usages in named.items() if name != vm))))


def _named(host: Host, domain: Any) -> set[str]:
    """The usages that a domain names, as it runs and as it is defined."""
    flags = {0, host.lib.VIR_DOMAIN_XML_INACTIVE}
    try:
        return {usage for flag in flags for usage in usages_in(domain.XMLDesc(flag))}
    except host.lib.libvirtError as error:
        if is_code(error, "NO_DOMAIN"):
            return set()
        raise


def usages_in(document: str) -> Iterable[str]:
    """The usages of all secrets that a domain's drives name."""
    root = xml.parse(document, "a vm")
    return [usage for secret in root.iter("secret") if (usage := secret.get("usage"))]
