"""Uploads through pipes and in the place of what is there: all of it or nothing, and nothing lost."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import threading

import pytest

from kimchictl.actions.storage import unfinished, volume_upload
from kimchictl.errors import Failed

MIB = 1 << 20


@pytest.fixture
def file(tmp_path):
    """A file of an odd length, with a hole at its end."""
    path = tmp_path / "data.img"
    path.write_bytes(os.urandom(MIB + 7))
    os.truncate(path, 3 * MIB + 1)
    return path


@pytest.fixture(params=["a directory of this machine", "any other pool"])
def way(request, monkeypatch):
    """How a volume takes the place of another."""
    if request.param == "any other pool":
        monkeypatch.setattr(volume_upload, "directory_here", lambda host, pool: None)


def piped(monkeypatch, data):
    """`data` on standard input, through a pipe."""
    reading, writing = os.pipe()

    def fill():
        with open(writing, "wb") as pipe:
            pipe.write(data)

    threading.Thread(target=fill).start()
    monkeypatch.setattr(sys, "stdin", open(reading, encoding="utf-8"))  # noqa: SIM115


def notes():
    directory = os.path.join(os.environ["KIMCHI_STATE_DIR"], "creating")
    return os.listdir(directory) if os.path.isdir(directory) else []


def blocks(path):
    return os.stat(path).st_blocks * 512


# -- a new one


def test_what_is_uploaded_is_the_same_and_as_sparse(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, status=0)
    assert (pool / "data.img").read_bytes() == file.read_bytes()
    assert blocks(pool / "data.img") <= 2 * MIB


def test_a_volume_of_that_name_is_replaced_only_with_consent(pool, kimchi, file):
    (pool / "data.img").write_bytes(b"old")
    kimchi("volume", "upload", "p", file, status=2)
    assert (pool / "data.img").read_bytes() == b"old"
    kimchi("volume", "upload", "p", file, "--yes", status=0)
    assert (pool / "data.img").read_bytes() == file.read_bytes()


def test_an_upload_that_is_not_what_it_must_be_changes_nothing(pool, kimchi, file):
    (pool / "data.img").write_bytes(b"old")
    kimchi("volume", "upload", "p", file, "--yes", "--checksum", "sha256:" + "0" * 64, status=4)
    assert (pool / "data.img").read_bytes() == b"old"


def test_an_interrupted_upload_leaves_nothing(pool, kimchi, file, monkeypatch):
    from kimchictl.media.source import FileSource

    def interrupted(self, offset, size):
        if offset:
            raise KeyboardInterrupt
        return bytes(size)

    monkeypatch.setattr(FileSource, "read", interrupted)
    kimchi("volume", "upload", "p", file, status=130)
    assert os.listdir(pool) == []
    assert kimchi("volume", "list", "p", "-o", "json").json == []


# -- in the place of another


@pytest.mark.parametrize("content", ["raw", "qcow2"])
def test_what_replaces_a_volume_is_exactly_the_file(pool, kimchi, tmp_path, file, way, content):
    if content == "qcow2":
        make = ["qemu-img", "convert", "-O", "qcow2", "-o", "cluster_size=4k", file, tmp_path / "data.qcow2"]
        subprocess.run(make, check=True)
        file = tmp_path / "data.qcow2"
    (pool / "v").write_bytes(b"old")
    kimchi("volume", "upload", "p", file, "--name", "v", "--yes", status=0)
    assert (pool / "v").read_bytes() == file.read_bytes()
    assert os.listdir(pool) == ["v"] and notes() == []
    assert kimchi("volume", "list", "p", "-o", "name", status=0).out.split() == ["v"]


def test_what_replaces_a_volume_is_whose_that_was_and_for_whom(pool, kimchi, file):
    (pool / "v").write_bytes(b"old")
    os.chown(pool / "v", 1234, 1235)
    # acl(5) as Linux keeps it: the owner, the user 1236, the group, the mask and others, each (kind, rights, id)
    entries = ((1, 6, -1), (2, 4, 1236), (4, 0, -1), (16, 4, -1), (32, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(pool / "v", "system.posix_acl_access", acl)
    before = os.stat(pool / "v")
    kimchi("volume", "upload", "p", file, "--name", "v", "--yes", status=0)
    after = os.stat(pool / "v")
    assert after.st_ino != before.st_ino and after.st_size == file.stat().st_size
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert os.getxattr(pool / "v", "system.posix_acl_access") == acl


@pytest.mark.parametrize("content", [b"raw", b"QFI\xfb that is none"])
def test_it_is_so_too_where_the_host_puts_it_there(pool, kimchi, tmp_path, content, monkeypatch):
    monkeypatch.setattr(volume_upload, "directory_here", lambda host, pool: None)
    (pool / "v").write_bytes(b"old")
    (pool / "v").chmod(0o664)
    os.chown(pool / "v", 1234, 1235)
    (tmp_path / "new").write_bytes(content)
    kimchi("volume", "upload", "p", tmp_path / "new", "--name", "v", "--yes", status=0)
    after = os.stat(pool / "v")
    assert (pool / "v").read_bytes() == content
    assert (after.st_uid, after.st_gid, after.st_mode & 0o7777) == (1234, 1235, 0o664)


def test_what_another_process_is_making_is_neither_replaced_nor_copied(pool, kimchi, file):
    reading, writing = os.pipe()
    words = [sys.executable, "-m", "kimchictl", "volume", "upload", "p", "-", "--name", "v"]
    with subprocess.Popen(words, stdin=reading, stderr=subprocess.DEVNULL) as other:
        os.close(reading)
        while not notes() or not (pool / "v").exists():
            assert other.poll() is None
        for verb in (("upload", "p", file, "--name", "v", "--yes"), ("clone", "p", "v")):
            assert f"upload by process {other.pid}" in kimchi("volume", *verb, status=4).err
        os.write(writing, b"whole")
        os.close(writing)
    assert other.returncode == 0 and (pool / "v").read_bytes() == b"whole"


def test_an_upload_that_fails_leaves_what_it_was_to_replace(pool, kimchi, file, way, monkeypatch):
    from kimchictl.media.source import FileSource

    (pool / "v").write_bytes(b"old")
    monkeypatch.setattr(FileSource, "read", lambda self, offset, size: b"" if offset else bytes(size))
    assert "got 1048576 bytes" in kimchi("volume", "upload", "p", file, "--name", "v", "--yes", status=1).err
    assert (pool / "v").read_bytes() == b"old"
    assert os.listdir(pool) == ["v"] and notes() == []


def test_where_the_last_step_fails_the_new_content_is_there_and_is_named(pool, kimchi, file, monkeypatch):
    def fails(*_):
        raise Failed("the host does not copy")

    monkeypatch.setattr(volume_upload, "directory_here", lambda host, pool: None)
    monkeypatch.setattr(volume_upload, "copy_here", fails)
    (pool / "v").write_bytes(b"old")
    said = kimchi("volume", "upload", "p", file, "--name", "v", "--yes", status=1).err
    (part,) = os.listdir(pool)
    assert f"kimchictl volume clone p {part} v" in said
    assert (pool / part).read_bytes() == file.read_bytes()
    monkeypatch.setattr(unfinished, "is_abandoned", lambda record: True)  # as it is when that process has ended
    kimchi("volume", "clone", "p", part, "v", status=0)
    assert (pool / "v").read_bytes() == file.read_bytes()


def test_who_began_to_use_the_old_one_meanwhile_keeps_it(pool, kimchi, file, monkeypatch):
    whole = volume_upload._fill

    def meanwhile(*argv):
        make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", pool / "v", pool / "top.qcow2"]
        subprocess.run(make, check=True)
        return whole(*argv)

    (pool / "v").write_bytes(b"old" * 1000)
    monkeypatch.setattr(volume_upload, "_fill", meanwhile)
    assert "backs" in kimchi("volume", "upload", "p", file, "--name", "v", "--yes", status=4).err
    assert (pool / "v").read_bytes() == b"old" * 1000 and sorted(os.listdir(pool)) == ["top.qcow2", "v"]


def test_a_directory_is_not_replaced(pool, kimchi, file):
    (pool / "sub").mkdir()
    kimchi("volume", "upload", "p", file, "--name", "sub", "--yes", status=4)
    assert (pool / "sub").is_dir()


# -- from a pipe


def test_a_pipe_of_unknown_length_becomes_a_volume_as_sparse_as_it_can_be(pool, kimchi, file, monkeypatch):
    piped(monkeypatch, file.read_bytes())
    checksum = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    kimchi("volume", "upload", "p", "-", "--name", "v", "--checksum", checksum, status=0)
    assert (pool / "v").read_bytes() == file.read_bytes()
    assert os.stat(pool / "v").st_blocks * 512 <= 2 * MIB


def test_a_named_pipe_is_read_and_a_file_on_standard_input_is_told_by_its_length(pool, kimchi, file, monkeypatch):
    os.mkfifo(file.parent / "fifo")
    threading.Thread(target=lambda: (file.parent / "fifo").write_bytes(b"x" * 5000)).start()
    kimchi("volume", "upload", "p", file.parent / "fifo", status=0)
    assert (pool / "fifo").read_bytes() == b"x" * 5000
    with open(file, encoding="latin-1") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        kimchi("volume", "upload", "p", "-", "--name", "v", status=0)
    assert (pool / "v").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("said", ["4K", "6K"])
def test_a_pipe_that_gives_another_length_than_was_said_leaves_nothing(pool, kimchi, monkeypatch, said):
    piped(monkeypatch, b"x" * 5000)
    kimchi("volume", "upload", "p", "-", "--name", "v", "--size", said, status=1)
    assert os.listdir(pool) == [] and notes() == []


def test_a_pipe_that_gives_something_else_than_its_checksum_leaves_what_was_there(pool, kimchi, monkeypatch):
    (pool / "v").write_bytes(b"old")
    piped(monkeypatch, b"x" * 5000)
    words = ("--name", "v", "--yes", "--checksum", "sha256:" + "0" * 64)
    kimchi("volume", "upload", "p", "-", *words, status=4)
    assert (pool / "v").read_bytes() == b"old" and os.listdir(pool) == ["v"]


def test_standard_input_that_cannot_be_read_is_said(pool, kimchi, monkeypatch):
    kimchi("volume", "upload", "p", "-", status=2)
    for stdin in (None, io.StringIO("text")):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert "standard input" in kimchi("volume", "upload", "p", "-", "--name", "v", status=1).err
    assert os.listdir(pool) == []


# -- no room


def test_a_full_disk_leaves_nothing(host, kimchi, tmp_path, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    host.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    kimchi("pool", "create", "small", "--path", small, "--start", status=0)
    piped(monkeypatch, os.urandom(2 * MIB))
    kimchi("volume", "upload", "small", "-", "--name", "v", status=1)
    assert host.run(["ls", "-A", small], capture_output=True).stdout == b"" and notes() == []
    (tmp_path / "whole").write_bytes(os.urandom(2 * MIB))
    assert "1 MiB are free" in kimchi("volume", "upload", "small", tmp_path / "whole", status=1).err


def test_a_write_whose_error_libvirt_lost_is_found_all_the_same(pool, kimchi, file, monkeypatch):
    from kimchictl.virt.storage import volumestream

    whole = volumestream._send
    monkeypatch.setattr(volumestream, "_send", lambda stream, view: whole(stream, view[:-1]))
    assert "is its storage full?" in kimchi("volume", "upload", "p", file, status=1).err
    assert os.listdir(pool) == [] and notes() == []


def test_a_sparse_file_needs_only_the_room_of_what_is_in_it(host, kimchi, tmp_path, file):
    small = tmp_path / "small"
    small.mkdir()
    host.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    kimchi("pool", "create", "small", "--path", small, "--start", status=0)
    os.truncate(file, 64 * MIB)
    kimchi("volume", "upload", "small", file, status=0)
    assert host.run(["cmp", file, small / "data.img"]).returncode == 0
