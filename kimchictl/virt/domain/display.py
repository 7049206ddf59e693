"""What a guest shows: the address of its display, and a picture of its screen."""

import re
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from kimchictl.errors import Failed, WrongState
from kimchictl.virt.connection import Host, asking
from kimchictl.virt.deadlines import answered
from kimchictl.virt.domain.definition import child, read_definition
from kimchictl.virt.domain.domainedit import display_of, listen_of
from kimchictl.virt.domain.domainread import VmGraphics
from kimchictl.virt.domain.domains import describe, find_domain
from kimchictl.virt.domain.power import require_running

_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound
MAX_PICTURE = 256 << 20


@dataclass(frozen=True, slots=True)
class Display:
    """How a viewer reaches a guest: `uri` is None where only a socket leads there."""

    name: str
    type: str
    uri: str | None
    host: str | None
    port: int | None
    tls_port: int | None
    socket: str | None


def find_display(host: Host, name: str) -> Display:
    """The display of a running VM. Raises WrongState if it is off or has none."""
    require_running(host, name, "looked at")
    shown = describe(host, name).graphics
    if shown is None or (shown.port is None and shown.tls_port is None and shown.socket is None):
        raise WrongState(f"vm {name!r} has no display", f"kimchictl vm console {quote(name)}")
    where = _address(host, shown)
    port = shown.port or shown.tls_port
    literal = f"[{where}]" if ":" in where else where
    uri = f"{shown.type}://{literal}:{port}" if port else None
    return Display(name, shown.type, uri, where if port else None, shown.port, shown.tls_port, shown.socket)


def _address(host: Host, shown: VmGraphics) -> str:
    """Where a viewer has to go: a guest that listens on every address is found at its host's."""
    if (shown.listen or "") not in _ANY:
        return shown.listen or ""
    return "127.0.0.1" if host.is_local else urlsplit(host.uri).hostname or "127.0.0.1"


def screenshot(host: Host, name: str, screen: int = 0) -> tuple[str, bytes]:
    """(media type, picture) of a running VM's screen, usually ("image/png", ...). Raises WrongState if it is off."""
    domain = require_running(host, name, "photographed")
    with asking(f"vm {name!r}: screenshot"):
        return answered(name, lambda: _picture(host, domain, screen))


def _picture(host: Host, domain: Any, screen: int) -> tuple[str, bytes]:
    stream = host.conn.newStream(0)
    kind = domain.screenshot(stream, screen, 0)
    picture = bytearray()
    while data := stream.recv(1 << 16):
        picture += data
        if len(picture) > MAX_PICTURE:
            stream.abort()
            raise Failed(f"the picture of vm {domain.name()!r} is larger than {MAX_PICTURE >> 20} MiB")
    stream.finish()
    return kind, bytes(picture)


def next_display(host: Host, name: str, kind: str | None = None) -> tuple[str, str | None, bool]:
    """(type, address, whether it has a password) of a VM's display at its next start; ("none", None, False).

    Of several it is the one that a change to `kind` is of.
    """
    shown = display_of(child(read_definition(host, find_domain(host, name)), "devices"), kind)
    if shown is None:
        return "none", None, False
    return shown.get("type") or "none", listen_of(shown), bool(shown.get("passwd"))


def viewer_file(shown: Display) -> str:
    """A connection file of virt-viewer; see remote-viewer(1), CONNECTION FILE. Raises WrongState without an address."""
    if shown.host is None:
        raise WrongState(f"the display of vm {shown.name!r} is behind a socket, which a file cannot name")
    title = re.sub(r"[\x00-\x1f\x7f]", " ", shown.name)  # a key file is read by lines
    lines = ["[virt-viewer]", f"type={shown.type}", f"host={shown.host}", f"title={title}"]
    lines += [f"port={shown.port}"] if shown.port else []
    lines += [f"tls-port={shown.tls_port}"] if shown.tls_port else []
    return "\n".join(lines) + "\n"
