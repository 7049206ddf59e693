"""What decides whether a hypervisor can stream an image: asked with one HEAD, or FTP's SIZE and REST.

The certificate is checked against the system's bundle alone, since qemu knows no other.
"""

from dataclasses import dataclass

from kimchictl.media.remote.settings import NetSettings


@dataclass(frozen=True, slots=True)
class UrlFacts:
    """`head` is whether the server answers HEAD (FTP: knows the file); `length` in bytes, None where it is not told.

    `ranges` is whether it says that it gives parts; `trusted` whether its certificate is valid by the system's bundle,
    None without TLS; `chain` where redirects lead; `credentials` whether it was asked with some; `problem` says what
    HEAD was answered with instead; `gone`: that there is no such file.
    """

    url: str
    head: bool
    length: int | None = None
    ranges: bool = False
    trusted: bool | None = None
    chain: tuple[str, ...] = ()
    credentials: bool = False
    problem: str | None = None
    gone: bool = False


def url_facts(url: str, net: NetSettings | None = None) -> UrlFacts:
    """Ask the server of `url`. Raises Invalid, Failed (Unreadable where the server cannot be talked to at all)."""
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.proxies import speaks_http
    from kimchictl.media.remote.wire import CertificateRefused

    net = net or NetSettings()
    address = parse_address(url)
    ask = _http_facts if speaks_http(address) else _ftp_facts
    if address.scheme in ("http", "ftp"):
        return ask(url, net, False)
    try:
        return ask(url, net, True)
    except CertificateRefused:
        if net.ca_file is None:
            raise
        return ask(url, net, False)


def _http_facts(url: str, net: NetSettings, system_trust: bool) -> UrlFacts:
    from kimchictl.media.remote.http import Client

    client = Client(url, net, system_trust=system_trust)
    try:
        response = client.request("HEAD")
    finally:
        client.close()
    tls = client.address.scheme == "https"
    length = response.headers.get("Content-Length", "")
    good = response.status == 200
    return UrlFacts(
        url,
        head=good,
        length=int(length) if good and length.isascii() and length.isdigit() and len(length) < 19 else None,
        ranges=good and "bytes" in response.headers.get("Accept-Ranges", "").lower(),
        trusted=system_trust if tls else None,
        chain=tuple(client.chain),
        credentials=client.has_credentials,
        problem=None if good else client.refusal(response.status).reason,
        gone=response.status in (404, 410),  # RFC 9110 15.5.5: a GET would be told the same
    )


def _ftp_facts(url: str, net: NetSettings, system_trust: bool) -> UrlFacts:
    from kimchictl.media.remote.credentials import credentials_for
    from kimchictl.media.remote.ftp import FtpFile

    file = FtpFile(url, net, system_trust=system_trust)
    try:
        size, _ = file.facts()
        ranges = file.restarts()
    finally:
        file.close()
    return UrlFacts(
        url,
        head=size is not None,
        length=size,
        ranges=ranges,
        trusted=system_trust if file.address.scheme == "ftps" else None,
        credentials=credentials_for(file.address.host, net) is not None,
        problem=None if size is not None else f"{file.address.place} does not tell the size of the file",
    )
