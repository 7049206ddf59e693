"""Fetching an image to a file: its name, its checksum, and what is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.actions.images.fetch import expected_of, fetch, file_name_of
from kimchictl.errors import Exists, Failed, NotFound
from kimchictl.media.remote import NetSettings
from lab.images import make_image
from lab.web import Served, WebServer

NET = NetSettings(timeout=5)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_image(tmp_path_factory.mktemp("image") / "a.iso", "Debian 12.5.0 amd64 n").read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[WebServer]:
    digest = hashlib.sha256(content).hexdigest()
    with WebServer() as running:
        running.files["/a.iso"] = Served(content)
        running.files["/SHA256SUMS"] = Served(f"{'0' * 64}  b.iso\n{digest}  a.iso\n".encode())
        running.files["/latest.iso"] = Served(status=302, location="/a.iso")
        yield running


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/x/debian%2012.iso?a=b", "debian 12.iso"),
        ("http://h/", "image.iso"),
        ("http://h/..%2f..%2fetc%2fpasswd", "passwd"),
        ("http://h/.hidden.iso", "hidden.iso"),
        ("http://h/a%0a%1b[31m.iso", "a-[31m.iso"),
        ("http://h/%ff.iso", "iso"),
        ("http://h/" + "%C3%A9" * 150 + ".iso", "é" * 98 + ".iso"),
    ],
)
def test_a_url_gives_a_name_that_is_safe(url: str, name: str) -> None:
    assert file_name_of(url) == name


def test_an_image_is_verified_by_its_sums_file(server: WebServer, tmp_path: Path) -> None:
    done = fetch([server.url("/a.iso")], str(tmp_path / "a.iso"), server.url("/SHA256SUMS"), NET)
    assert done.verified and done.fetched


def test_a_link_to_the_current_release_is_found_under_the_name_of_that_release(
    server: WebServer, tmp_path: Path
) -> None:
    done = fetch([server.url("/latest.iso")], str(tmp_path / "x.iso"), server.url("/SHA256SUMS"), NET)
    assert done.verified


def test_a_sums_file_that_does_not_name_it_is_refused_before_anything_is_fetched(server: WebServer) -> None:
    with pytest.raises(NotFound, match=r"does not name 'c\.iso'"):
        expected_of(server.url("/SHA256SUMS"), [server.url("/c.iso")], NET)
    with pytest.raises(Failed, match="404"):
        expected_of(server.url("/none"), [server.url("/a.iso")], NET)


@pytest.mark.parametrize("sums", ["/SHA256SUMS", None])
def test_what_is_there_is_not_fetched_again(
    server: WebServer, tmp_path: Path, content: bytes, sums: str | None
) -> None:
    checksum = server.url(sums) if sums else None
    fetch([server.url("/a.iso")], str(tmp_path / "a.iso"), checksum, NET)
    before = server.sent()
    assert not fetch([server.url("/a.iso")], str(tmp_path / "a.iso"), checksum, NET).fetched
    assert server.sent() - before < 12 << 10 < len(content)


@pytest.mark.parametrize("sums", ["/SHA256SUMS", None])
def test_something_else_under_that_name_is_left_alone(
    server: WebServer, tmp_path: Path, content: bytes, sums: str | None
) -> None:
    other = make_image(tmp_path / "a.iso", "Debian 12.6.0 amd64 n")
    with pytest.raises(Exists, match="already exists and is not"):
        fetch([server.url("/a.iso")], str(other), server.url(sums) if sums else None, NET)
    assert other.read_bytes() != content
