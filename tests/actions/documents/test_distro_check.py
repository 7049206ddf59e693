"""`distro check` against a server that plays good, dead, moved, wrong and slow links."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.actions.documents.distro_check import DistroCheck, check_distros
from kimchictl.catalog.records import Template
from kimchictl.media.remote import NetSettings
from kimchictl.progress import Progress
from lab.images import make_image
from lab.web import Served, WebServer


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_image(tmp_path_factory.mktemp("image") / "a.iso", "Debian 12.5.0 amd64 n", size=1 << 18).read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[WebServer]:
    with WebServer() as running:
        running.files["/good.iso"] = Served(content)
        running.files["/SHA256SUMS"] = Served(b"%s  good.iso\n" % (b"a" * 64))
        running.files["/moved.iso"] = Served(status=301, location="/good.iso")
        running.files["/whole.iso"] = Served(content, ranges=False)
        running.files["/page.iso"] = Served(b"<html>" * 9999, headers={"Content-Type": "text/html"})
        running.files["/slow.iso"] = Served(content, pause=0.2)
        yield running


def distro(server: WebServer, path: str, **more: object) -> Template:
    known = {"os_distro": "debian", "os_version": "12", "os_arch": "x86_64", **more}
    return Template(name=path.strip("/"), cdrom=server.url(path), **known)  # type: ignore[arg-type]


def check(*distros: Template, timeout: float = 10.0, progress: Progress | None = None) -> list[DistroCheck]:
    return check_distros(distros, {}, NetSettings(timeout=timeout), timeout, progress or Progress())


def test_a_good_entry_is_ok_in_every_respect(server: WebServer) -> None:
    (found,) = check(distro(server, "/good.iso", checksum=server.url("/SHA256SUMS")))
    assert (found.status, found.message, found.reachable, found.ranges) == ("ok", None, True, True)
    assert (found.size, found.os_distro, found.os_version, found.checksum) == (1 << 18, "debian", "12.5.0", "found")


def test_a_dead_link_fails_and_says_why(server: WebServer) -> None:
    (found,) = check(distro(server, "/dead.iso"))
    assert (found.status, found.reachable) == ("fail", False)
    assert "404" in (found.message or "")


def test_a_moved_link_says_where_to(server: WebServer) -> None:
    (found,) = check(distro(server, "/moved.iso", checksum=server.url("/SHA256SUMS")))
    assert (found.status, found.moved_to, found.checksum) == ("ok", server.url("/good.iso"), "found")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"os_version": "1"}, "it is debian 12.5.0, not debian 1"),
        ({"os_distro": "ubuntu"}, "it is debian 12.5.0, not ubuntu 12"),
        ({"os_arch": "aarch64"}, "it is for x86_64, not aarch64"),
    ],
)
def test_an_image_of_another_system_fails(server: WebServer, claim: dict[str, str], said: str) -> None:
    (found,) = check(distro(server, "/good.iso", **claim))
    assert (found.status, found.message) == ("fail", said)


def test_a_web_page_is_no_image(server: WebServer) -> None:
    (found,) = check(distro(server, "/page.iso"))
    assert found.status == "fail" and "web page" in (found.message or "")


def test_a_server_without_ranges_is_a_warning(server: WebServer) -> None:
    (found,) = check(distro(server, "/whole.iso"))
    assert (found.status, found.ranges) == ("warn", False)


@pytest.mark.parametrize("sums", ["/none", "/good.iso"])
def test_a_sums_file_that_is_not_there_or_none_fails(server: WebServer, sums: str) -> None:
    (found,) = check(distro(server, "/good.iso", checksum=server.url(sums)))
    assert (found.status, found.checksum, found.reachable) == ("fail", "missing", True)


def test_a_checksum_in_the_entry_needs_no_file(server: WebServer) -> None:
    (found,) = check(distro(server, "/good.iso", checksum="sha256:" + "a" * 64))
    assert (found.status, found.checksum) == ("ok", "given")


def test_the_mirror_that_answers_is_told_of(server: WebServer) -> None:
    heard: list[str] = []

    class Listening(Progress):
        def detail(self, message: str) -> None:
            heard.append(message)

    entry = distro(server, "/dead.iso", mirrors=(server.url("/good.iso"),))
    (found,) = check(entry, progress=Listening())
    assert (found.status, found.url) == ("warn", server.url("/good.iso"))
    assert any("404" in line and "next mirror" in line for line in heard)


def test_the_mirror_that_the_site_prefers_is_asked_first(server: WebServer) -> None:
    entry = distro(server, "/dead.iso")
    preference = {server.url("/dead"): server.url("/good")}
    (found,) = check_distros([entry], preference, NetSettings(timeout=5), 5)
    assert (found.status, found.url) == ("ok", server.url("/good.iso"))


def test_many_slow_ones_take_as_long_as_one_and_hinder_nobody(server: WebServer) -> None:
    entries = [distro(server, "/slow.iso") for _ in range(20)] + [distro(server, "/good.iso")]
    began = time.monotonic()
    found = check(*entries, timeout=1.0)
    assert [one.status for one in found] == ["fail"] * 20 + ["ok"]
    assert "within" in (found[0].message or "")
    assert time.monotonic() - began < 15  # one after the other would take 20 seconds and more


def test_an_image_that_is_not_on_the_network_is_left_alone(tmp_path: Path) -> None:
    (found,) = check(Template(name="x", cdrom=str(tmp_path / "x.iso")))
    assert (found.status, found.message) == ("warn", "its image is not on the network")


def test_no_entries_are_no_records() -> None:
    assert check() == []
