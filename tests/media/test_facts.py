"""What a server offers, asked with one HEAD, or FTP's SIZE and REST."""

from __future__ import annotations

from pathlib import Path

import pytest

from kimchictl.media.remote import NetSettings
from kimchictl.media.remote.facts import url_facts
from kimchictl.media.remote.wire import CertificateRefused
from lab import certificates
from lab.ftp import FtpServer
from lab.web import Served, WebServer


def test_one_head_tells_length_ranges_and_redirects() -> None:
    with WebServer() as server:
        server.files["/a.iso"] = Served(b"x" * 1000)
        server.files["/b.iso"] = Served(status=302, location="/a.iso")
        facts = url_facts(server.url("/b.iso"))
        assert (facts.head, facts.length, facts.ranges, facts.trusted) == (True, 1000, True, None)
        assert facts.chain == (server.url("/a.iso"),)
        assert [request.method for request in server.requests] == ["HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (Served(b"x", head_status=405), (False, None, False)),
        (Served(b"x", status=404), (False, None, False)),
        (Served(b"x", accept_ranges=False), (True, 1, False)),
        (Served(b"x", length=False), (True, None, True)),
    ],
)
def test_what_is_missing_is_told(served: Served, expected: tuple[bool, int | None, bool]) -> None:
    with WebServer() as server:
        server.files["/a.iso"] = served
        facts = url_facts(server.url("/a.iso"))
        assert (facts.head, facts.length, facts.ranges) == expected
        assert (facts.problem is None) == facts.head


def test_a_certificate_that_only_the_ca_file_makes_valid_is_not_trusted_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificates.write_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority)  # which the hypervisor does not read
    with WebServer(certificates.server_context(tmp_path)) as server:
        server.files["/a.iso"] = Served(b"x")
        facts = url_facts(server.url("/a.iso"), NetSettings(ca_file=authority))
        assert (facts.trusted, facts.head) == (False, True)
        with pytest.raises(CertificateRefused):
            url_facts(server.url("/a.iso"))


@pytest.mark.parametrize("able", [True, False])
def test_ftp_is_asked_for_size_and_rest(able: bool) -> None:
    with FtpServer(rest=able, size=able) as server:
        server.files["a.iso"] = b"x" * 1000
        facts = url_facts(server.url("a.iso"))
        assert (facts.head, facts.length, facts.ranges) == (able, 1000 if able else None, able)
        assert not server.transfers
