"""Whole images from the network: resumed, verified, and nothing left where it fails."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.errors import Damaged, Exists, Failed, KimchiError, Locked
from kimchictl.media.remote import NetSettings
from kimchictl.media.remote import download as module
from kimchictl.media.remote.checksums import Checksum
from kimchictl.media.remote.download import Transfer, download
from kimchictl.progress import Progress
from lab.ftp import FtpServer
from lab.web import Served, WebServer

CONTENT = b"".join(hashlib.sha512(number.to_bytes(4, "big")).digest() for number in range(12800))  # 800 KiB
SUM = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
NET = NetSettings(timeout=5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.01)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as running:
        running.files["/a.iso"] = Served(CONTENT)
        yield running


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_an_image_arrives_whole_and_is_readable_by_all(server: WebServer, tmp_path: Path) -> None:
    done = download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT
    assert (done.size, done.checksum, done.verified, done.fetched) == (len(CONTENT), SUM, False, True)
    assert names(tmp_path) == ["a.iso"]
    assert (tmp_path / "a.iso").stat().st_mode & 0o444 == 0o444


def test_progress_tells_bytes_of_the_whole(server: WebServer, tmp_path: Path) -> None:
    heard: list[tuple[object, ...]] = []

    class Listening(Progress):
        def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
            heard.append((what, total, unit))

        def advance(self, done: int, where: str = "") -> None:
            heard.append((done,))

    download([server.url("/a.iso")], str(tmp_path / "b.iso"), NET, SUM, Listening())
    assert heard[0] == ("fetching b.iso", len(CONTENT), "bytes")
    assert heard[-1] == (len(CONTENT),)


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}])
def test_a_broken_connection_is_taken_up_where_it_broke(
    server: WebServer, tmp_path: Path, headers: dict[str, str]
) -> None:
    server.files["/a.iso"] = Served(CONTENT, reset_after=200_000, resets=3, headers=headers)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT
    assert len(server.requests) == 4
    assert server.sent() < len(CONTENT) * 1.5
    assert server.requests[1].headers.get("if-range") == next(iter(headers.values()), None)


def test_a_server_without_ranges_is_read_again_from_the_start(server: WebServer, tmp_path: Path) -> None:
    server.files["/a.iso"] = Served(CONTENT, ranges=False, reset_after=200_000, resets=1)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT


def test_a_file_that_changes_meanwhile_is_not_mixed(server: WebServer, tmp_path: Path) -> None:
    served = Served(CONTENT, reset_after=200_000, resets=1, headers={"ETag": '"1"'})
    server.files["/a.iso"] = served

    class Changing(Progress):
        def detail(self, message: str) -> None:
            served.headers["ETag"] = '"2"'

    with pytest.raises(Failed, match="changed while it was fetched"):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, None, Changing())
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (Served(b"", status=404), "404"),
        (Served(CONTENT, headers={"Content-Type": "text/html"}), "a web page"),
        (Served(CONTENT, headers={"Content-Encoding": "gzip"}), "compressed"),
        (Served(CONTENT[:300000], headers={"Content-Length": "400000"}, ranges=False, keep=False), "in the middle"),
        (Served(CONTENT, reset_after=0), "cut the connection"),
        (Served(CONTENT, pause=0.05), "within 0.3 seconds"),
        (Served(silent=True), "within 0.3 seconds"),
    ],
)
def test_a_failure_leaves_nothing(server: WebServer, tmp_path: Path, served: Served, said: str) -> None:
    server.files["/a.iso"] = served
    with pytest.raises(Failed, match=said):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NetSettings(timeout=0.3))
    assert names(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="not what its checksum says"):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, Checksum("sha256", "0" * 64))
    assert names(tmp_path) == []


def test_sha512_serves_too(server: WebServer, tmp_path: Path) -> None:
    expected = Checksum("sha512", hashlib.sha512(CONTENT).hexdigest())
    assert download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, expected).verified


def test_the_next_mirror_is_asked_and_with_a_checksum_goes_on_where_the_first_ended(
    server: WebServer, tmp_path: Path
) -> None:
    server.files["/half.iso"] = Served(CONTENT[:400_000], headers={"Content-Length": str(len(CONTENT))}, keep=False)
    server.files["/half.iso"].ranges = False
    addresses = [server.url("/dead.iso"), server.url("/half.iso"), server.url("/a.iso")]
    done = download(addresses, str(tmp_path / "a.iso"), NET, SUM)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT
    assert done.url == server.url("/a.iso")
    assert server.requests[-1].headers["range"] == "bytes=400000-"


def test_without_a_checksum_the_next_mirror_begins_anew(server: WebServer, tmp_path: Path) -> None:
    server.files["/half.iso"] = Served(b"x" * 400_000, ranges=False, reset_after=300_000)
    done = download([server.url("/half.iso"), server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT
    assert done.checksum == SUM


def test_a_mirror_with_another_file_is_passed_over(server: WebServer, tmp_path: Path) -> None:
    server.files["/bad.iso"] = Served(CONTENT[::-1])
    download([server.url("/bad.iso"), server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT


@pytest.mark.parametrize(("left", "from_byte"), [(CONTENT[:500_000], 500_000), (CONTENT, len(CONTENT))])
def test_what_a_killed_process_left_is_taken_up(server: WebServer, tmp_path: Path, left: bytes, from_byte: int) -> None:
    (tmp_path / ".a.iso.part").write_bytes(left)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT
    assert server.requests[0].headers["range"] == f"bytes={from_byte}-"
    assert server.sent() == len(CONTENT) - from_byte
    assert names(tmp_path) == ["a.iso"]


@pytest.mark.parametrize("left", [b"other" * 9999, CONTENT + b"more"])
def test_what_was_left_and_is_wrong_is_begun_anew(server: WebServer, tmp_path: Path, left: bytes) -> None:
    (tmp_path / ".a.iso.part").write_bytes(left)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT


def test_without_a_checksum_nothing_old_is_trusted(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / ".a.iso.part").write_bytes(b"x" * 1000)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "a.iso").read_bytes() == CONTENT


def test_what_is_there_is_never_replaced(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "a.iso").write_bytes(b"mine")
    with pytest.raises(Exists):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "a.iso").read_bytes() == b"mine"


def test_what_comes_up_meanwhile_is_not_replaced_either(server: WebServer, tmp_path: Path) -> None:
    class Late(Progress):
        def advance(self, done: int, where: str = "") -> None:
            (tmp_path / "a.iso").write_bytes(b"mine")

    with pytest.raises(Exists, match="meanwhile"):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM, Late())
    assert (tmp_path / "a.iso").read_bytes() == b"mine"
    assert names(tmp_path) == ["a.iso"]


def test_a_link_in_the_place_of_the_part_file_is_not_followed(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / ".a.iso.part").symlink_to(tmp_path / "victim")
    with pytest.raises(Failed):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_directory_that_is_not_there_is_named(server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="nowhere"):
        download([server.url("/a.iso")], str(tmp_path / "nowhere" / "a.iso"), NET)


def test_too_little_space_is_told_before_anything_is_written(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kimchictl.media.remote.part.Part.free", lambda self: 100_000)
    with pytest.raises(KimchiError, match=r"needs 800 KiB, and 97\.7 KiB are free"):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    server.files["/a.iso"] = Served(CONTENT, length=False, endless=True)
    with pytest.raises(KimchiError, match="no known length"):
        download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET)
    assert names(tmp_path) == []


def test_two_who_fetch_the_same_do_not_write_into_one_another(server: WebServer, tmp_path: Path) -> None:
    server.files["/slow.iso"] = Served(CONTENT, hang_after=1000)
    path = str(tmp_path / "a.iso")
    net = NetSettings(timeout=1)

    def fetch_slowly() -> None:
        with pytest.raises(Failed):
            download([server.url("/slow.iso")], path, net)

    first = threading.Thread(target=fetch_slowly)
    first.start()
    while not server.requests:  # its part is locked by then
        time.sleep(0.01)
    with pytest.raises(Locked, match=f"{path} is being fetched by process {os.getpid()}"):
        download([server.url("/a.iso")], path, NET)
    first.join()
    assert names(tmp_path) == []


def test_an_interrupt_leaves_nothing_and_a_kill_what_can_be_taken_up(server: WebServer, tmp_path: Path) -> None:
    server.files["/slow.iso"] = Served(CONTENT, hang_after=200_000)
    code = (
        "import sys; from kimchictl.media.remote.download import *; from kimchictl.media.remote import NetSettings\n"
        "from kimchictl.media.remote.checksums import Checksum\n"
        "download([sys.argv[1]], sys.argv[2], NetSettings(30), Checksum('sha256', sys.argv[3]))"
    )
    part = tmp_path / ".a.iso.part"
    for number in (signal.SIGINT, signal.SIGKILL):
        arguments = [sys.executable, "-c", code, server.url("/slow.iso"), str(tmp_path / "a.iso"), SUM.digest]
        with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
            while not part.exists() or part.stat().st_size < 196608:
                time.sleep(0.01)
            process.send_signal(number)
        assert part.exists() == (number == signal.SIGKILL)
    download([server.url("/a.iso")], str(tmp_path / "a.iso"), NET, SUM)
    assert server.requests[-1].headers["range"].startswith("bytes=196608")
    assert names(tmp_path) == ["a.iso"]


def test_an_ftp_transfer_that_breaks_is_taken_up(tmp_path: Path) -> None:
    with FtpServer(cut_after=300_000) as server:
        server.files["a.iso"] = CONTENT
        download([server.url("a.iso")], str(tmp_path / "a.iso"), NET, SUM)
        assert (tmp_path / "a.iso").read_bytes() == CONTENT
        assert len(server.transfers) == 2 and server.transfers[1].offset > 0


def test_a_transfer_serves_any_sink(server: WebServer) -> None:
    transfer = Transfer([server.url("/a.iso")], NET, SUM)
    assert b"".join(transfer) == CONTENT
    assert (transfer.size, transfer.done, transfer.checksum) == (len(CONTENT), len(CONTENT), SUM)
