"""Downloads from a real libvirtd, into files and pipes: the same bytes, as sparse, taken up where they broke."""

import hashlib
import io
import os
import subprocess
import sys

MIB = 1 << 20


def blocks(path):
    return os.stat(path).st_blocks * 512


# -- into a file


def test_a_download_is_the_same_and_as_sparse(pool, kimchi, file, tmp_path):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    checksum = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert "verified" in kimchi("volume", "download", "p", "v", tmp_path / "back", "--checksum", checksum, status=0).err
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert blocks(tmp_path / "back") <= 2 * MIB
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=4)
    kimchi("volume", "download", "p", "v", tmp_path / "other", "--checksum", "sha256:" + "0" * 64, status=4)
    assert sorted(os.listdir(tmp_path)) == ["back", "data.img", "p"]


def test_a_broken_download_goes_on_where_it_broke_unless_the_volume_changed(pool, kimchi, file, tmp_path, monkeypatch):
    from kimchictl.virt.storage import volumestream

    whole = volumestream.download

    def breaks(*argv):
        pieces = whole(*argv)
        yield next(pieces)
        raise KeyboardInterrupt

    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    monkeypatch.setattr(volumestream, "download", breaks)
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=130)
    assert not (tmp_path / "back").exists()
    monkeypatch.setattr(volumestream, "download", whole)
    assert "from an earlier attempt" in kimchi("volume", "download", "p", "v", tmp_path / "back", status=0).err
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["back", "data.img", "p"]


def test_a_volume_goes_through_a_pipe(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    words = [sys.executable, "-m", "kimchictl", "volume", "download", "p", "v", "-"]
    assert subprocess.run(words, check=True, capture_output=True).stdout == file.read_bytes()


# -- into a pipe


def test_a_download_into_what_is_no_pipe_is_said(pool, kimchi, file, monkeypatch):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    for stdout in (None, io.StringIO()):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stdout)
            assert "standard output" in kimchi("volume", "download", "p", "v", "-", status=1).err
    with monkeypatch.context() as patched, open("/dev/full", "w") as full:
        patched.setattr(sys, "stdout", full)
        assert "No space left" in kimchi("volume", "download", "p", "v", "-", status=1).err
    kept = io.TextIOWrapper(io.BytesIO())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", kept)
        kimchi("volume", "download", "p", "v", "-", status=0)
    assert kept.buffer.getvalue() == file.read_bytes()


def test_who_reads_no_more_ends_a_download_quietly(pool, kimchi, file):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    words = [sys.executable, "-m", "kimchictl", "volume", "download", "p", "v", "-"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 141)
    process.stderr.close()


def test_a_download_forgets_what_came_of_a_volume_that_changed(pool, kimchi, file, tmp_path):
    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    old, others = tmp_path / ".back.01234567.part", (tmp_path / ".back.x.part", tmp_path / ".back2.01234567.part")
    for part in (old, *others):
        part.write_bytes(b"x")
        part.chmod(0o600)
    kimchi("volume", "download", "p", "v", tmp_path / "back", status=0)
    assert not old.exists() and all(other.exists() for other in others)


def test_a_volume_that_shrinks_while_it_is_read_is_not_taken_for_whole(pool, kimchi, file, tmp_path, monkeypatch):
    from kimchictl.virt.storage import volumestream

    whole = volumestream.download

    def shrinks(*argv):
        yield next(whole(*argv))

    kimchi("volume", "upload", "p", file, "--name", "v", status=0)
    monkeypatch.setattr(volumestream, "download", shrinks)
    assert "changed meanwhile" in kimchi("volume", "download", "p", "v", tmp_path / "back", status=1).err
    assert not (tmp_path / "back").exists()
