"""Images fetched into pools of a real libvirtd: into its directory, and through its stream."""

import hashlib
import os

import pytest

from kimchictl.actions.storage import fetch_volume as module
from lab.images import make_image
from lab.web import Served, WebServer

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def content(tmp_path):
    return make_image(tmp_path / "a.iso", LABEL, size=700_416).read_bytes()


@pytest.fixture
def server(content):
    with WebServer() as running:
        running.files["/a.iso"] = Served(content)
        yield running


@pytest.fixture(params=["directory", "stream"])
def way(request, monkeypatch):
    """Both ways lead to the same."""
    if request.param == "stream":
        monkeypatch.setattr(module, "directory_here", lambda host, pool: None)
    return request.param


def test_an_image_is_a_volume_that_is_named(pool, kimchi, server, content, way):
    checksum = "sha256:" + hashlib.sha256(content).hexdigest()
    done = kimchi("volume", "fetch", "p", server.url("/a.iso"), "--checksum", checksum, "-o", "json", status=0)
    assert (done.json["name"], done.json["capacity"]) == ("a.iso", len(content))
    assert "verified" in done.err
    assert (pool / "a.iso").read_bytes() == content
    (volume,) = kimchi("volume", "list", "p", "-o", "json").json
    assert (volume["format"], volume["os_distro"], volume["bootable"]) == ("iso", "debian", True)


def test_what_is_there_is_not_fetched_again_and_something_else_is_left_alone(pool, kimchi, server, way):
    words = ("volume", "fetch", "p", server.url("/a.iso"), "--name", "x.iso")
    kimchi(*words, status=0)
    before = server.sent()
    assert "there already" in kimchi(*words, status=0).err
    assert server.sent() - before <= 12 << 10
    make_image(pool / "x.iso", "Fedora 17 x86_64")
    kimchi("pool", "list", status=0)
    kimchi(*words, status=4)
    assert b"Fedora" in (pool / "x.iso").read_bytes()


@pytest.mark.parametrize(
    ("served", "status"),
    [({"status": 404}, 1), ({"ranges": False, "reset_after": 300_000}, 1), ({}, 4)],
    ids=["dead", "broken", "another checksum"],
)
def test_a_failure_leaves_no_volume(pool, kimchi, server, content, way, served, status, monkeypatch):
    monkeypatch.setattr("kimchictl.media.remote.download._PAUSE", 0.01)
    server.files["/a.iso"] = Served(content, **served)
    wrong = ("--checksum", "sha256:" + "0" * 64) if not served else ()
    kimchi("volume", "fetch", "p", server.url("/a.iso"), *wrong, status=status)
    assert os.listdir(pool) == []
    assert kimchi("volume", "list", "p", "-o", "json").json == []


def test_a_broken_connection_is_taken_up(pool, kimchi, server, content, way, monkeypatch):
    monkeypatch.setattr("kimchictl.media.remote.download._PAUSE", 0.01)
    server.files["/a.iso"] = Served(content, reset_after=300_000, resets=2)
    kimchi("volume", "fetch", "p", server.url("/a.iso"), status=0)
    assert (pool / "a.iso").read_bytes() == content


def test_a_pool_or_a_checksum_that_is_none_is_refused(pool, kimchi, server):
    kimchi("volume", "fetch", "nosuch", server.url("/a.iso"), status=3)
    kimchi("volume", "fetch", "p", server.url("/a.iso"), "--checksum", "md5:1", status=4)
    kimchi("volume", "fetch", "p", server.url("/a.iso"), "--name", "a/b", status=4)
    kimchi("volume", "fetch", "p", "/etc/passwd", status=4)
    assert not server.requests
