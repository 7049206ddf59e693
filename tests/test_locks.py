"""kimchictl.locks: one at a time, among the threads of a process and among processes; the holder is named."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kimchictl.errors import Failed, Locked
from kimchictl.locks import Lock, holder, mounts, shared

HOLD = """
import sys, time
from kimchictl.locks import Lock
with Lock(sys.argv[1], "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / ".lock")


@pytest.fixture
def other(path):
    """Another process that holds the lock until it is killed, or its stdin is closed."""
    arguments = [sys.executable, "-c", HOLD, path, "iso", "http://me:secret@host/x"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def in_child(work):
    """The exit status of a forked child that does `work`: what that returns."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_file_is_private_and_stays(path):
    with Lock(path, "it"):
        first = os.stat(path)
    with Lock(path, "it"):
        pass
    assert (first.st_mode & 0o777, first.st_ino) == (0o600, os.stat(path).st_ino)


def test_a_process_that_waits_in_vain_learns_who_holds_it(path, other):
    with pytest.raises(Locked) as caught, Lock(path, "the template store", 0.05):
        pass
    assert str(caught.value).startswith(f"the template store is locked by process {other.pid} (-c ")
    assert "secret" not in str(caught.value)


def test_a_holder_that_wrote_nothing_is_found_in_the_kernel(path, other):
    os.truncate(path, 0)
    with pytest.raises(Locked, match=rf"process {other.pid} \(.*python.* -c"), Lock(path, "it", 0):
        pass


def test_a_stale_note_of_a_dead_process_is_not_believed(path, other):
    with open(path, "w") as file:
        file.write(f"{os.getpid()} {os.uname().nodename} made up\n")
    with pytest.raises(Locked, match=f"process {other.pid} "), Lock(path, "it", 0):
        pass


def test_a_holder_on_another_host_is_only_reported(path, other, monkeypatch):
    with open(path, "w") as file:
        file.write("17 elsewhere kimchictl iso scan\n")
    monkeypatch.setattr(holder, "_flock_pids", lambda status: [])
    said = r"process 17 on elsewhere \(kimchictl iso scan\) was the last"
    with pytest.raises(Locked, match=said), Lock(path, "it", 0):
        pass


def test_it_waits_for_a_holder_that_ends(path, other):
    threading.Timer(0.05, other.stdin.close).start()
    with Lock(path, "it", 10) as lock:
        assert lock.held
    assert not lock.held


def test_kill_9_frees_it(path, other):
    other.kill()
    with Lock(path, "it", 5) as lock:
        assert lock.held


def test_the_threads_of_a_process_take_turns(path):
    inside, seen = 0, []

    def work():
        nonlocal inside
        for _ in range(20):
            with Lock(path, "it"):
                inside += 1
                seen.append(inside)
                time.sleep(0.0001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 80


def test_another_thread_is_named_as_the_holder(path):
    caught = []

    def work():
        try:
            with Lock(path, "it", 0.01):
                pass
        except Locked as error:
            caught.append(str(error))

    with Lock(path, "it"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert caught == [f"it is locked by another thread of this process ({os.getpid()})"]


def test_taking_it_twice_is_an_error_and_no_deadlock(path):
    with Lock(path, "it"), pytest.raises(RuntimeError, match="already locked by this very thread"), Lock(path, "it"):
        pass


def test_after_an_error_inside_it_is_free(path):
    with pytest.raises(ZeroDivisionError), Lock(path, "it"):
        raise ZeroDivisionError
    with Lock(path, "it", 0):
        pass


def test_a_forked_child_does_not_hold_it_and_cannot_free_it(path):
    def work():
        try:
            with Lock(path, "it", 0):
                return 1
        except Locked:
            return 0 if not lock.held else 2

    with Lock(path, "it") as lock:
        assert in_child(work) == 0
        assert in_child(lambda: lock.__exit__(None, None, None) or 0) == 0
        assert in_child(work) == 0


def test_a_child_that_outlives_its_killed_parent_does_not_keep_it(path):
    """The parent is a fork too, so that it can be killed while it holds the lock and its own child sleeps on."""
    read, write = os.pipe()

    def parent():
        with Lock(path, "it"):
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            os.write(write, b"%d" % child)
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(parent) == -signal.SIGKILL
    grandchild = int(os.read(read, 20))
    try:
        with Lock(path, "it", 10) as lock:
            assert lock.held
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_link_in_the_place_of_the_lock_file_is_not_followed(path, tmp_path):
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(Failed, match="cannot open the lock"), Lock(path, "it"):
        pass
    assert not os.path.exists(tmp_path / "elsewhere")


def test_a_fifo_in_the_place_of_the_lock_file_does_not_block(path):
    os.mkfifo(path)
    with pytest.raises(Failed, match="is not a regular file"), Lock(path, "it"):
        pass


def test_a_lock_file_that_was_removed_and_made_again_meanwhile_counts(path, other):
    """Whoever waited on the removed file must not believe to be alone."""

    def replace():
        os.unlink(path)
        with open(path, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            other.kill()
            time.sleep(0.1)

    thread = threading.Timer(0.02, replace)
    thread.start()
    with Lock(path, "it", 10) as lock:
        assert os.path.samestat(os.fstat(lock._fd), os.stat(path))
    thread.join()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(path, monkeypatch, number):
    def flock(fd, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(Failed, match=f"file system of .* cannot lock files: {os.strerror(number)}"), Lock(path, "it"):
        pass


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /etc/kimchi rw,relatime - nfs nas:/kimchi rw,vers=3,nolock,addr=10.0.0.2
41 22 0:36 / /srv rw,relatime shared:7 - nfs4 nas:/srv rw,vers=4.2,local_lock=none
42 22 0:37 / /opt rw - nfs nas:/opt rw,vers=3,local_lock=flock
"""


@pytest.mark.parametrize(("minor", "option"), [(35, "nolock"), (36, None), (37, "local_lock=flock"), (38, None)])
def test_an_nfs_mount_that_keeps_its_locks_to_itself_is_seen(minor, option):
    assert mounts.local_locks(MOUNTS, os.makedev(0, minor)) == option


def test_a_mount_with_local_locks_is_refused(path, monkeypatch):
    monkeypatch.setitem(mounts._local_only, os.makedev(0, 99), "nolock")
    with pytest.raises(Failed, match="mounted with nolock"):
        mounts.refuse_local_locks(path, os.makedev(0, 99))


def test_readers_share_it_and_never_wait(path, other):
    with shared(path) as held:
        assert not held
    other.kill()
    other.wait()
    with shared(path) as one, shared(path) as two:
        assert one
        assert two
        with pytest.raises(Locked, match=f"process {os.getpid()} "), Lock(path, "it", 0):
            pass


def test_a_lock_that_nobody_made_cannot_be_shared(path):
    with shared(path) as held:
        assert not held
    assert not os.path.exists(path)
