"""Images behind URLs, read from servers that are right, and from servers that are not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.errors import Failed, Invalid
from kimchictl.media.probe import probe
from kimchictl.media.records import Image
from kimchictl.media.remote import NetSettings, open_url
from kimchictl.media.source import Unreadable
from lab import certificates
from lab.ftp import FtpServer, talk_for_ever
from lab.images import lay_out, make_image, primary, terminator
from lab.web import Served, WebServer

LABEL = "Debian 12.5.0 amd64 n"
QUICK = NetSettings(timeout=1.0)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An image of a megabyte."""
    return make_image(tmp_path_factory.mktemp("image") / "a.iso", LABEL, size=1 << 20).read_bytes()


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no credentials of the user who runs this."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as running:
        yield running


@pytest.fixture
def secure_server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(certificates.server_context(tmp_path)) as running:
        yield running


def look(url: str, net: NetSettings | None = None) -> Image:
    with open_url(url, net) as source:
        return probe(source)


def problem(url: str, net: NetSettings | None = None) -> str:
    with pytest.raises(Unreadable) as caught:
        look(url, net)
    assert "\n" not in str(caught.value)
    return caught.value.reason


# ---- what is right -------------------------------------------------------------------------------------------------


def test_an_image_costs_two_range_requests_on_one_connection_and_no_more_than_12_kib(
    server: WebServer, content: bytes
) -> None:
    server.files["/a.iso"] = Served(content, headers={"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    image = look(server.url("/a.iso"))
    assert (image.volume_id, image.os_distro, image.size, image.boot) == (LABEL, "debian", 1 << 20, ("bios",))
    assert (image.location, image.source, image.mtime) == (server.url("/a.iso"), "url", "2015-10-21T07:28:00Z")
    assert [request.method for request in server.requests] == ["GET", "GET"]
    assert server.connections == 1
    assert server.sent() <= 12 << 10


def test_a_server_that_ignores_ranges_is_read_as_far_as_needed_and_hung_up_on(
    server: WebServer, content: bytes
) -> None:
    server.files["/a.iso"] = Served(content, ranges=False)
    with open_url(server.url("/a.iso")) as source:
        assert probe(source).boot == ("bios",)
        time.sleep(0.1)  # for the server to send all that it can
    assert len(server.requests) == 1
    # The boot catalogue, the last that is needed, is in sector 25; 8 KiB may be in the server's own send buffer.
    assert server.sent() <= (25 + 1) * 2048 + (16 << 10) + (8 << 10)


def test_a_catalogue_far_behind_is_still_reached_in_one_answer(server: WebServer, tmp_path: Path) -> None:
    from lab.images import boot_catalogue, boot_entry, boot_record

    sectors = {16: primary(volume_id="FAR"), 17: boot_record(400), 18: terminator(), 400: boot_catalogue(boot_entry())}
    server.files["/a.iso"] = Served(lay_out(tmp_path / "far.iso", sectors, 1 << 20).read_bytes(), ranges=False)
    assert look(server.url("/a.iso")).boot == ("bios",)
    assert len(server.requests) == 1


def test_a_body_without_a_length_has_no_size(server: WebServer, content: bytes) -> None:
    server.files["/a.iso"] = Served(content, ranges=False, length=False, endless=True)
    image = look(server.url("/a.iso"))
    assert (image.volume_id, image.size) == (LABEL, None)


def test_a_server_that_answers_no_head_is_probed_all_the_same(server: WebServer, content: bytes) -> None:
    server.files["/a.iso"] = Served(content, head_status=405, accept_ranges=False)
    assert look(server.url("/a.iso")).volume_id == LABEL


def test_a_server_that_closes_after_each_answer_is_called_again(server: WebServer, content: bytes) -> None:
    server.files["/a.iso"] = Served(content, keep=False)
    assert look(server.url("/a.iso")).boot == ("bios",)
    assert server.connections == 2


def test_redirects_are_followed_once_and_the_rest_is_asked_where_they_led(server: WebServer, content: bytes) -> None:
    server.files["/a.iso"] = Served(status=302, location="/b%20c.iso?x=1")
    server.files["/b%20c.iso?x=1"] = Served(content)
    image = look(server.url("/a.iso"))
    assert (image.volume_id, image.location) == (LABEL, server.url("/a.iso"))
    assert [request.target for request in server.requests] == ["/a.iso", "/b%20c.iso?x=1", "/b%20c.iso?x=1"]
    assert server.connections == 1


def test_a_blank_in_a_url_is_encoded(server: WebServer, content: bytes) -> None:
    server.files["/b%20c%C3%A9.iso"] = Served(content)
    assert look(server.url("/b cé.iso")).volume_id == LABEL


# ---- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 410, 500, 503, 999])
def test_a_refusal_is_one_line_with_the_status(server: WebServer, status: int) -> None:
    server.files["/a.iso"] = Served(b"\x1b[31mno", status=status)
    assert f"answered {status}" in problem(server.url("/a.iso"))


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (Served(b"x" * 99999, content_range="bytes 0-8191/99999"), "another part than was asked for"),
        (Served(b"x" * 99999, content_range="nonsense"), "another part than was asked for"),
        (Served(b"x" * 99999, headers={"Content-Encoding": "gzip"}), "compressed data"),
        (Served(b"x" * 99999, ranges=False, headers={"Content-Encoding": "br"}), "compressed data"),
        (Served(b"<html>" * 20000, ranges=False, headers={"Content-Type": "text/html; charset=x"}), "a web page"),
        (Served(b"<html>", ranges=False, headers={"Content-Type": "text/html"}), "a web page"),
        (Served(b"x" * 99999, headers={"Content-Type": "text/html"}), "a web page"),
        (Served(b"short"), "too short for an image"),
        (Served(status=416), "416 Range Not Satisfiable"),
        (Served(b"x" * 99999, reset_after=1000), "cut the connection"),
        (Served(b"x" * 99999, ranges=False, reset_after=35000), "cut the connection"),
        (Served(status=302, location="/a.iso"), "in a circle"),
        (Served(status=302, location="ftp://127.0.0.1/a.iso"), "redirects from http to ftp"),
        (Served(status=302, location="file:///etc/passwd"), "no address of a file"),
        (Served(status=302, location="http://u:secret@127.0.0.1/"), "no address of a file"),
        (Served(status=302), "does not say where to"),
        (Served(raw=b"220 mail.example ESMTP\r\n"), "does not speak HTTP"),
        (Served(raw=b""), "hung up without an answer"),
        (Served(raw=b"HTTP/1.1 206 x\r\n" + b"a: b\r\n" * 5000), "headers that make no sense"),
        (Served(raw=b"HTTP/1.1 206 x\r\nContent-Range: bytes 32768-40959/99999\r\n\r\nx"), "in the middle"),
    ],
)
def test_a_server_that_does_something_else_is_told_of_in_one_line(server: WebServer, served: Served, said: str) -> None:
    server.files["/a.iso"] = served
    assert said in problem(server.url("/a.iso"))


@pytest.mark.parametrize(
    "served",
    [
        Served(b"x" * 99999, pause=0.1),
        Served(b"x" * 99999, header_pause=0.1),
        Served(silent=True),
        Served(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 200000 + b"x"),
    ],
    ids=["drips", "drips in its headers", "is silent", "goes on without end"],
)
def test_one_deadline_holds_for_the_whole_probe(server: WebServer, served: Served) -> None:
    server.files["/a.iso"] = served
    began = time.monotonic()
    reason = problem(server.url("/a.iso"), QUICK)
    assert "within 1 seconds" in reason or "hung up" in reason or "does not speak" in reason
    assert time.monotonic() - began < 10  # far from the hours that it would take


def test_a_server_that_never_accepts_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        assert "within" in problem(f"http://127.0.0.1:{port}/a.iso", NetSettings(timeout=0.3))
        for one in waiting:
            one.close()


def test_a_closed_port_and_an_unknown_host_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert problem(f"http://127.0.0.1:{port}/a.iso") == f"nothing listens on 127.0.0.1:{port}"
    assert "no-such-host.invalid" in problem("http://no-such-host.invalid/a.iso", QUICK)


# ---- TLS -----------------------------------------------------------------------------------------------------------


def test_a_certificate_of_an_unknown_authority_is_refused_and_trusted_by_ca_file(
    secure_server: WebServer, content: bytes, tmp_path: Path
) -> None:
    secure_server.files["/a.iso"] = Served(content)
    assert "certificate of 127.0.0.1" in problem(secure_server.url("/a.iso"))
    net = NetSettings(ca_file=certificates.write_authority(tmp_path))
    assert look(secure_server.url("/a.iso"), net).volume_id == LABEL


@pytest.mark.parametrize(("certificate", "said"), [(certificates.EXPIRED, "expired"), (certificates.OTHER, "mismatch")])
def test_a_certificate_that_is_not_for_this_host_or_day_is_refused(tmp_path: Path, certificate: str, said: str) -> None:
    net = NetSettings(ca_file=certificates.write_authority(tmp_path))
    with WebServer(certificates.server_context(tmp_path, certificate)) as server:
        assert said in problem(server.url("/a.iso"), net)


def test_https_to_a_server_without_tls_says_so(server: WebServer) -> None:
    assert "TLS with" in problem(server.url("/a.iso").replace("http:", "https:"))


def test_no_redirect_leads_from_https_to_http(
    server: WebServer, secure_server: WebServer, content: bytes, tmp_path: Path
) -> None:
    net = NetSettings(ca_file=certificates.write_authority(tmp_path))
    server.files["/a.iso"] = Served(content)
    secure_server.files["/a.iso"] = Served(status=301, location=server.url("/a.iso"))
    assert "redirects from https to http" in problem(secure_server.url("/a.iso"), net)
    assert not server.requests


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None])
def test_a_ca_file_that_is_none_is_named(secure_server: WebServer, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Failed, match="certificate file"):
        look(secure_server.url("/a.iso"), NetSettings(ca_file=str(path)))


# ---- credentials ---------------------------------------------------------------------------------------------------


def netrc(tmp_path: Path, text: str, mode: int = 0o600) -> NetSettings:
    path = tmp_path / ".netrc"
    path.write_text(text)
    path.chmod(mode)
    return NetSettings()


def test_credentials_come_from_netrc(server: WebServer, content: bytes, tmp_path: Path) -> None:
    server.files["/a.iso"] = Served(content, user="me:geheim")
    assert "401" in problem(server.url("/a.iso"))
    netrc(tmp_path, "machine 127.0.0.1 login me password geheim")
    assert look(server.url("/a.iso")).volume_id == LABEL


def test_another_credentials_file_can_be_named(server: WebServer, content: bytes, tmp_path: Path) -> None:
    server.files["/a.iso"] = Served(content, user="me:geheim")
    path = tmp_path / "credentials"
    path.write_text("machine 127.0.0.1 login me password geheim")
    path.chmod(0o600)
    assert look(server.url("/a.iso"), NetSettings(netrc=str(path))).volume_id == LABEL
    with pytest.raises(Failed, match="does not exist"):
        look(server.url("/a.iso"), NetSettings(netrc=str(tmp_path / "other")))


def test_a_redirect_to_another_server_takes_no_credentials_along(
    server: WebServer, content: bytes, tmp_path: Path
) -> None:
    netrc(tmp_path, "machine 127.0.0.1 login me password geheim")
    with WebServer() as other:
        other.files["/b.iso"] = Served(content)
        server.files["/a.iso"] = Served(status=307, location=other.url("/b.iso"))
        assert look(server.url("/a.iso")).volume_id == LABEL
        assert "authorization" in server.requests[0].headers
        assert all("authorization" not in request.headers for request in other.requests)


def test_the_default_entry_is_not_for_web_servers(server: WebServer, content: bytes, tmp_path: Path) -> None:
    netrc(tmp_path, "default login me password geheim")
    server.files["/a.iso"] = Served(content)
    look(server.url("/a.iso"))
    assert "authorization" not in server.requests[0].headers


def test_a_credentials_file_open_to_everybody_or_with_a_mistake_is_refused_without_its_content(
    server: WebServer, tmp_path: Path
) -> None:
    for text, mode, said in (
        ("machine 127.0.0.1 login me password geheim", 0o644, "open to everybody"),
        ("machine 127.0.0.1 geheim x", 0o600, "has a mistake in line 1"),
    ):
        netrc(tmp_path, text, mode)
        with pytest.raises(Failed, match=said) as caught:
            look(server.url("/a.iso"))
        assert "geheim" not in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize("url", ["http://me:geheim@h/a.iso", "ftp://me:geheim@h/a", "https://me:ge@heim@h/"])
def test_a_url_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid, match=r"\*\*\*@h") as caught:
        open_url(url)
    assert "heim" not in str(caught.value) + str(caught.value.hint)
    assert "netrc" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///a", "http://h:99999/", "http://[::1/", "http://a b/", "tftp://h/a", "http://h/\n", "ftp://h"],
)
def test_what_is_no_url_is_invalid(url: str) -> None:
    with pytest.raises(Invalid):
        look(url, QUICK)


# ---- proxies -------------------------------------------------------------------------------------------------------


def test_a_proxy_is_used_and_no_proxy_honoured(
    server: WebServer, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.iso"] = Served(content)
    monkeypatch.setenv("http_proxy", f"http://us%40er:pw@127.0.0.1:{server.port}")
    assert look("http://elsewhere.invalid/a.iso").volume_id == LABEL
    assert server.proxied[0].headers["host"] == "elsewhere.invalid"
    assert server.proxied[0].headers["proxy-authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked = len(server.proxied)
    assert look(server.url("/a.iso")).volume_id == LABEL
    assert len(server.proxied) == asked


def test_https_goes_through_a_proxy_in_a_tunnel(
    server: WebServer, secure_server: WebServer, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure_server.files["/a.iso"] = Served(content)
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{server.port}")
    net = NetSettings(ca_file=certificates.write_authority(tmp_path))
    assert look(secure_server.url("/a.iso"), net).volume_id == LABEL
    assert [request.method for request in server.proxied] == ["CONNECT"]


def test_ftp_through_a_proxy_is_http(server: WebServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/a.iso"] = Served(content)
    monkeypatch.setenv("ftp_proxy", f"http://127.0.0.1:{server.port}")
    assert look("ftp://elsewhere.invalid/a.iso").volume_id == LABEL


def test_a_proxy_that_cannot_be_used_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://me:geheim@127.0.0.1:1080")
    with pytest.raises(Failed, match="proxy for http") as caught:
        look("http://elsewhere.invalid/a.iso")
    assert "geheim" not in str(caught.value)


def test_a_dead_proxy_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert problem("http://elsewhere.invalid/a.iso") == "nothing listens on the proxy 127.0.0.1:9"


# ---- FTP -----------------------------------------------------------------------------------------------------------


def test_an_image_on_an_ftp_server_costs_two_short_transfers_on_one_connection(content: bytes) -> None:
    with FtpServer() as server:
        server.files["pub/a b.iso"] = content
        image = look(server.url("pub/a%20b.iso"))
        assert (image.volume_id, image.size, image.boot) == (LABEL, 1 << 20, ("bios",))
        assert image.mtime == "2024-01-02T03:04:05Z"
        assert [transfer.offset for transfer in server.transfers] == [16 * 2048, 25 * 2048]
        assert server.connections == 1
        assert all(transfer.sent <= 8192 + (24 << 10) for transfer in server.transfers)


def test_an_ftp_server_without_rest_or_size_is_read_from_the_start(content: bytes) -> None:
    with FtpServer(rest=False, size=False) as server:
        server.files["a.iso"] = content
        image = look(server.url("a.iso"))
        assert (image.volume_id, image.boot, image.size) == (LABEL, ("bios",), None)
        assert len(server.transfers) == 1


def test_ftps_is_tls_from_the_first_byte_with_one_session_for_data(content: bytes, tmp_path: Path) -> None:
    net = NetSettings(ca_file=certificates.write_authority(tmp_path))
    with FtpServer(certificates.server_context(tmp_path)) as server:
        server.files["a.iso"] = content
        assert look(server.url("a.iso"), net).boot == ("bios",)
        assert "certificate of" in problem(server.url("a.iso"))


def test_ftp_credentials_come_from_netrc(content: bytes, tmp_path: Path) -> None:
    with FtpServer(user="me:geheim") as server:
        server.files["a.iso"] = content
        assert "login is refused" in problem(server.url("a.iso"))
        netrc(tmp_path, "default login me password geheim")
        assert look(server.url("a.iso")).volume_id == LABEL


def test_a_missing_file_on_an_ftp_server_is_one_line() -> None:
    with FtpServer() as server:
        assert "answered 550: no such file" in problem(server.url("a.iso"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pause": 0.1}, "within 1 seconds"),
        ({"greeting": "421 too many users"}, "answered 421"),
        ({"greeting": "hello"}, "does not speak FTP"),
        ({"greeting": ""}, "does not speak FTP"),
    ],
)
def test_a_bad_ftp_server_is_told_of_in_one_line(content: bytes, settings: dict[str, object], said: str) -> None:
    with FtpServer(**settings) as server:  # type: ignore[arg-type]
        server.files["a.iso"] = content
        assert said in problem(server.url("a.iso"), QUICK)


def test_an_ftp_server_that_talks_without_end_is_stopped() -> None:
    with FtpServer() as server:
        talk_for_ever(server)
        assert "does not speak FTP" in problem(server.url("a.iso"))


# ---- the command line, and what is not loaded ------------------------------------------------------------------------


def test_the_command_line_reports_a_dead_url_among_good_ones(server: WebServer, content: bytes, kimchi) -> None:  # type: ignore[no-untyped-def]
    server.files["/a.iso"] = Served(content)
    done = kimchi("iso", "probe", server.url("/a.iso"), server.url("/b.iso"), "-o", "json", status=7)
    assert [image["volume_id"] for image in done.json] == [LABEL]
    assert done.error["code"] == "failed"
    kimchi("iso", "probe", server.url("/b.iso"), status=1)


def test_an_authority_of_ones_own_is_given_by_option_or_configuration(
    secure_server: WebServer, content: bytes, tmp_path: Path, kimchi, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    secure_server.files["/a.iso"] = Served(content)
    authority, url = certificates.write_authority(tmp_path), secure_server.url("/a.iso")
    assert "certificate" in kimchi("iso", "probe", url, status=1).err
    kimchi("iso", "probe", url, "--ca-file", authority, status=0)
    kimchi("template", "create", "x", "--cdrom", url, "--ca-file", authority, status=0)
    monkeypatch.setenv("KIMCHICTL_NET_CA_FILE", authority)
    kimchi("iso", "probe", url, status=0)
    kimchi("iso", "probe", url, "--ca-file", tmp_path / "none", status=2)


def test_a_password_in_a_url_is_repeated_nowhere(kimchi) -> None:  # type: ignore[no-untyped-def]
    for words in (
        ("iso", "probe", "http://me:geheim@h/a.iso"),
        ("iso", "probe", "sftp://me:geheim@h/a.iso"),
        ("template", "create", "x", "--cdrom", "http://me:geheim@h/a.iso"),
        ("template", "create", "x", "--cdrom", "http://me:geheim@h/a.iso", "--no-check"),
        ("distro", "add", "x", "--url", "http://me:geheim@h/a.iso", "--os-distro", "d", "--no-check"),
    ):
        done = kimchi(*words)
        assert done.status != 0 and "geheim" not in done.out + done.err, words


def test_a_local_probe_loads_nothing_of_the_network(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(content)
    code = (
        "import sys; from kimchictl.cli import main; main(['iso', 'probe', sys.argv[1], '-o', 'json']);"
        "print([m for m in ('http.client', 'ftplib', 'ssl', 'urllib.request', 'socket') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_probe_leaves_no_thread_behind(server: WebServer, content: bytes) -> None:
    server.files["/a.iso"] = Served(content)
    look(server.url("/a.iso"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("resolve")]
