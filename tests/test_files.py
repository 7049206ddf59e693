"""kimchictl.files: a file is replaced whole, or stands as it was and the message says why."""

import errno
import os
import resource
import shutil
import subprocess
import sys

import pytest

from kimchictl import files
from kimchictl.errors import Failed
from kimchictl.files import make_directory, move_file, remove_file, replace_file


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.json")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_new_file_has_the_mode_asked_for_less_the_umask(path):
    previous = os.umask(0o027)
    try:
        replace_file(path, b"new")
    finally:
        os.umask(previous)
    assert (content(path), os.stat(path).st_mode & 0o777) == (b"new", 0o640)


def test_a_replaced_file_keeps_its_mode(path):
    replace_file(path, b"old")
    os.chmod(path, 0o600)
    replace_file(path, b"new")
    assert (content(path), os.stat(path).st_mode & 0o777) == (b"new", 0o600)


def test_the_content_of_a_private_file_is_private_from_the_first_byte_on(path, monkeypatch):
    replace_file(path, b"old")
    os.chmod(path, 0o600)
    modes = []
    monkeypatch.setattr(files, "trace", lambda _point, here: modes.append(os.stat(here).st_mode & 0o777))
    replace_file(path, b"new")
    assert set(modes) == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_replaced_by_root_keeps_its_owner(path):
    replace_file(path, b"old")
    os.chown(path, 65534, 65534)
    replace_file(path, b"new")
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (65534, 65534)


def test_a_link_is_replaced_and_what_it_points_to_left_alone(path, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"elsewhere")
    os.symlink(target, path)
    replace_file(path, b"new")
    assert (content(path), target.read_bytes(), os.path.islink(path)) == (b"new", b"elsewhere", False)


def test_a_large_content_is_written_whole(path):
    data = os.urandom(1 << 16) * 64
    replace_file(path, data)
    assert content(path) == data


def test_a_write_cut_short_by_the_kernel_leaves_the_old_content(path, tmp_path):
    replace_file(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(Failed, match=r"cannot write .*/a\.json: File too large"):
            replace_file(path, b"n" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (content(path), os.listdir(tmp_path)) == (b"old", ["a.json"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("point", ["opened", "written", "synced"])
def test_an_error_at_any_step_leaves_the_old_content_and_no_other_file(path, tmp_path, monkeypatch, point, number):
    def fail(here, _path):
        if here == point:
            raise OSError(number, os.strerror(number))

    replace_file(path, b"old")
    monkeypatch.setattr(files, "trace", fail)
    with pytest.raises(Failed, match=os.strerror(number)) as caught:
        replace_file(path, b"new")
    assert (content(path), os.listdir(tmp_path)) == (b"old", ["a.json"])
    assert (caught.value.hint is None) == (number == errno.EIO)


def test_an_error_after_the_replacement_says_that_it_is_done(path, monkeypatch):
    def fail(here, _path):
        if here == "directory-synced":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "trace", fail)
    with pytest.raises(Failed, match="was changed, but the change may not survive a crash: Input/output error"):
        replace_file(path, b"new")
    assert content(path) == b"new"


FULL = """
import os, sys
from kimchictl.errors import Failed
from kimchictl.store import FileStore, Layer
store = FileStore("templates", [Layer("/mnt/t", "site", True)])
with store.session() as session:
    session.put("kept", {"memory": 1})
    filler = os.open("/mnt/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(filler, bytes(4096)):
            pass
    except OSError:
        pass
    try:
        session.put("kept", {"memory": 2, "description": "x" * 8192})
    except Failed as error:
        print(error, "|", error.hint)
print(store.get("kept").data["memory"], sorted(os.listdir("/mnt/t")))
"""

MOUNT = "mount -t tmpfs -o size=1m none /mnt"
CAN_MOUNT = bool(shutil.which("unshare")) and subprocess.call(["unshare", "-rm", "sh", "-c", MOUNT]) == 0


def in_a_small_file_system(code, *more):
    command = " && ".join([MOUNT, *more, 'exec "$0" -c "$1"'])
    arguments = ["unshare", "-rm", "sh", "-c", command, sys.executable, code]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.skipif(not CAN_MOUNT, reason="no mount namespaces")
def test_on_a_full_disk_the_old_document_stands_and_the_message_says_why():
    said = in_a_small_file_system(FULL).splitlines()
    why = "cannot write /mnt/t/kept.json: No space left on device | free some space on its file system"
    assert said == [why, "1 ['.lock', '.lock.turn', 'kept.json']"]


READ_ONLY = """
from kimchictl.errors import Failed
from kimchictl.store import FileStore, Layer
try:
    with FileStore("templates", [Layer("/mnt/t", "site", True)]).session() as session:
        session.put("new", {})
except Failed as error:
    print(error, "|", error.hint)
"""


@pytest.mark.skipif(not CAN_MOUNT, reason="no mount namespaces")
@pytest.mark.parametrize("there", ["mkdir /mnt/t", "mkdir /mnt/t && touch /mnt/t/.lock", "true"])
def test_a_read_only_file_system_is_named(there):
    said = in_a_small_file_system(READ_ONLY, there, "mount -o remount,bind,ro /mnt")
    assert "/mnt/t" in said
    assert said.endswith("Read-only file system | its file system is mounted read-only\n")


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(Failed, match=r"cannot write .*/none/a: No such file or directory"):
        replace_file(str(tmp_path / "none" / "a"), b"")


def test_directories_are_made_with_their_parents_and_only_once(tmp_path):
    deep = str(tmp_path / "a" / "b" / "c")
    make_directory(deep)
    make_directory(deep)
    assert [os.stat(tmp_path / part).st_mode & 0o777 for part in ("a", "a/b")] == [0o755 & ~current_umask()] * 2


def current_umask():
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def test_a_file_in_the_way_of_a_directory_is_named(path):
    replace_file(path, b"")
    with pytest.raises(Failed, match=r"cannot make the directory .*/a\.json: it is a file"):
        make_directory(path)


def test_what_is_gone_cannot_be_removed_or_renamed(path):
    with pytest.raises(Failed, match=r"cannot remove .*a\.json"):
        remove_file(path)
    with pytest.raises(Failed, match=r"cannot rename .*a\.json"):
        move_file(path, path + "2")
