"""Sources: what is opened, what is refused, and what a reader gets."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.errors import Failed, Invalid, NotFound
from kimchictl.media.source import FileSource, Unreadable, open_source
from lab.images import make_image


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "file.iso")


def test_a_file_tells_its_real_path_kind_size_and_mtime(image: Path) -> None:
    os.utime(image, (1, 1700000000.5))
    with open_source(str(image)) as source:
        assert (source.location, source.kind) == (str(image), "file")
        assert (source.size, source.mtime) == (image.stat().st_size, 1700000000.5)


def test_reading_is_short_only_at_the_end(image: Path) -> None:
    content = image.read_bytes()
    with open_source(str(image)) as source:
        assert source.read(100, 2000) == content[100:2100]
        assert source.read(len(content) - 10, 2000) == content[-10:]
        assert source.read(1 << 43, 2048) == b""


def test_links_to_links_are_resolved_to_the_absolute_path(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (image.parent / "link.iso").symlink_to("file.iso")
    (image.parent / "again.iso").symlink_to("link.iso")
    monkeypatch.chdir(image.parent)
    for name in ("link.iso", "again.iso", "./file.iso"):
        with open_source(name) as source:
            assert source.location == os.path.realpath(image)


def test_a_link_in_the_place_of_a_resolved_path_is_refused(image: Path) -> None:
    link = image.parent / "link.iso"
    link.symlink_to(image)
    with pytest.raises(Invalid, match="symbolic link"):
        FileSource(str(link))


def test_a_file_that_became_a_link_before_it_was_opened_is_refused(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, was_a_file = image.parent / "link.iso", os.lstat(image)
    link.symlink_to(image)
    monkeypatch.setattr(os, "lstat", lambda path: was_a_file)
    with pytest.raises(Unreadable, match="symbolic links"):
        FileSource(str(link))


def test_a_file_that_became_a_pipe_before_it_was_opened_blocks_nobody(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, was_a_file = image.parent / "pipe.iso", os.lstat(image)
    os.mkfifo(pipe)
    monkeypatch.setattr(os, "lstat", lambda path: was_a_file)
    with pytest.raises(Invalid, match="pipe"):
        FileSource(str(pipe))


def test_a_pipe_a_directory_a_socket_and_a_device_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.iso")
    with socket.socket(socket.AF_UNIX) as listener, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        listener.bind("socket.iso")
    for name, what in {
        f"{tmp_path}/pipe.iso": "a pipe",
        str(tmp_path): "a directory",
        f"{tmp_path}/socket.iso": "a socket",
        "/dev/null": "a character device",
    }.items():
        with pytest.raises(Invalid) as caught:
            open_source(name)
        assert str(caught.value) == f"{name!r} is {what}, not an image"


def test_what_is_missing_is_not_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "dangling.iso").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for name in ("missing.iso", "dangling.iso", "file/below.iso"):
        with pytest.raises(NotFound, match=name.partition("/")[0]):
            open_source(str(tmp_path / name))


def test_a_loop_of_links_an_endless_name_and_a_nul_fail_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop.iso").symlink_to("loop.iso")
    for name in ("loop.iso", "n" * 300, "nul\0byte"):
        with pytest.raises(Failed) as caught:
            open_source(str(tmp_path / name))
        assert "\n" not in str(caught.value) and "\0" not in str(caught.value)


def test_what_may_not_be_read_fails_and_says_permission(image: Path, nobody: None) -> None:
    with pytest.raises(Failed, match="cannot be opened: permission denied"):
        open_source(str(image))


def test_a_name_that_is_not_utf8_opens(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.iso")
    os.replace(make_image(tmp_path / "plain.iso"), name)
    with open_source(name) as source:
        assert source.location == name and source.size


def test_a_file_that_shrinks_under_the_reader_reads_short(image: Path) -> None:
    with open_source(str(image)) as source:
        os.truncate(image, 33000)
        assert len(source.read(32768, 8192)) == 33000 - 32768


def test_the_file_is_closed_with_the_source_and_when_opening_fails(image: Path, tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with open_source(str(image)) as source:
        source.close()
    with pytest.raises(Invalid):
        open_source(str(tmp_path))
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def nobody(image: Path) -> Iterator[None]:
    """A caller who may not read the image; root may read everything, so it steps back for the while."""
    user = os.geteuid()
    image.chmod(0)
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def block_device(image: Path) -> Iterator[str]:
    """A block device that holds the image; needs root and the kernel's loop driver."""
    losetup = shutil.which("losetup", path="/usr/sbin:/sbin:/usr/bin")
    made = subprocess.run([losetup, "-fr", "--show", image], capture_output=True, text=True) if losetup else None
    if losetup is None or made is None or made.returncode:
        pytest.skip("no block device can be made here")
    yield made.stdout.strip()
    subprocess.run([losetup, "-d", made.stdout.strip()], check=True)


def test_a_block_device_is_read_as_long_as_it_is(image: Path, block_device: str) -> None:
    with open_source(block_device) as source:
        assert (source.kind, source.mtime) == ("device", None)
        # The loop driver rounds down to whole sectors of 512 bytes; an image is made of larger ones.
        assert source.size == image.stat().st_size
        assert source.read(32768, 2048) == image.read_bytes()[32768:34816]
