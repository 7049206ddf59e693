"""Images behind URLs: `open_url` makes a Source of one, read with range requests (HTTP) or from an offset (FTP).

    settings      NetSettings: deadline, certificates, credentials file
    address       a URL -> Address; refuses what has a password in it
    wire          sockets whose every operation ends by one Deadline; name resolution, TLS, and what went wrong in words
    credentials   ~/.netrc
    proxies       http_proxy, https_proxy, ftp_proxy, all_proxy, no_proxy
    forward       reading on in a stream that cannot be asked for an offset
    http, ftp     the two protocols
    body          a file from an offset on, to its end, for who fetches it
    facts         what decides whether a hypervisor can stream the file

Nothing of it is imported before a URL is really opened: the standard library's network modules take longer to import
than everything else that reading a local image needs. They were preferred to urllib3 (or a newer client) because a
probe must end by one deadline that covers name resolution, the TLS handshake, headers that trickle in and the body;
those libraries have a timeout for each read only, know nothing of FTP, and are one more thing to depend on.
"""

from kimchictl.media.remote.settings import NetSettings, net_settings
from kimchictl.media.remote.source import RemoteSource

__all__ = ["NetSettings", "RemoteSource", "net_settings", "open_url"]


def open_url(url: str, net: NetSettings | None = None) -> RemoteSource:
    """The image behind `url`: http, https, ftp or ftps. Its size is known after the first read.

    Everything that is read of it must be read by the deadline, `net.timeout` seconds from now. Raises Invalid for what
    is no such URL or has a password in it, Unreadable for what the server or the network did.
    """
    from kimchictl.media.remote.address import parse_address
    from kimchictl.media.remote.proxies import speaks_http

    net = net or NetSettings()
    if speaks_http(parse_address(url)):
        from kimchictl.media.remote.http_source import HttpSource

        return HttpSource(url, net)
    from kimchictl.media.remote.ftp import FtpSource

    return FtpSource(url, net)
