"""Which libvirt hosts are meant: what -c, the environment or the key `connect` says, and the sections [hosts.NAME]."""

from collections.abc import Mapping
from typing import Any

from kimchictl.errors import UsageError, did_you_mean

Hosts = Mapping[str, Mapping[str, Any]]  # the sections by name


def split_hosts(named: str, hosts: Hosts) -> tuple[str, ...]:
    """The hosts in a list where each part is a configured one or a URI; else it is one, commas and all."""
    parts = tuple(part.strip() for part in named.split(","))
    return parts if all(part in hosts or ":/" in part for part in parts) else (named,)


def uri_of(named: str, hosts: Hosts) -> str:
    """The URI of one host, of which it may be the name. Raises UsageError for a name that nobody configured."""
    if "://" in named or named.startswith("test:"):
        return named
    host = hosts.get(named)
    if not isinstance(host, dict) or not isinstance(host.get("uri"), str):
        known = ", ".join(hosts) or "none"
        message = f"{named!r} is neither a connection URI nor a configured host"
        raise UsageError(message, did_you_mean(named, hosts, f"configured hosts: {known}"))
    return str(host["uri"])
