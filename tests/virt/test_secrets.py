"""Which secrets a domain names; with a real libvirtd in tests/host/test_streaming.py."""

from pathlib import Path

from kimchictl.virt.connection import open_host
from kimchictl.virt.secrets import secrets_of, usages_in

GOLDEN = Path(__file__).parent / "domain/golden"


def test_the_secrets_of_a_domain_are_those_that_its_drives_name():
    assert list(usages_in((GOLDEN / "credentials.xml").read_text())) == ["kimchictl:web:0badcafe"]
    assert list(usages_in((GOLDEN / "http.xml").read_text())) == []


def test_a_host_that_keeps_no_secrets_has_none():
    with open_host("test:///default") as host:
        assert secrets_of(host, "test") == ()
