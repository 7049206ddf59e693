"""Opening hosts, and libvirt's errors as ours."""

import socket
import threading

import libvirt
import pytest

from kimchictl.errors import Exists, Failed, HostError, NotFound, TimedOut, WrongState
from kimchictl.virt.connection import asking, is_local, open_host, without_prompts
from kimchictl.virt.deadlines import all_within, within


def test_a_host_knows_whether_it_is_real(host):
    assert (host.driver, host.is_test, host.is_local, host.is_session) == ("test", True, True, False)


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        (None, True),
        ("qemu:///system", True),
        ("qemu+unix:///system?socket=/run/x", True),
        ("qemu+ssh://host/system", False),
        ("qemu+tls://host/system", False),
        ("qemu://host/system", False),
        ("test:///default", True),
    ],
)
def test_paths_are_this_machine_s_only_with_a_local_connection(uri, local):
    assert is_local(uri) is local


def test_ssh_is_kept_from_asking_where_nobody_could_answer():
    assert without_prompts("qemu+ssh://host/system") == "qemu+ssh://host/system?no_tty=1"
    assert without_prompts("qemu+ssh://host/system?no_tty=0&a=b") == "qemu+ssh://host/system?no_tty=0&a=b"
    assert without_prompts("qemu:///system") == "qemu:///system"


def test_no_daemon_is_a_host_error_that_says_what_to_start(tmp_path):
    with pytest.raises(HostError, match="cannot connect") as caught:
        open_host(f"qemu+unix:///system?socket={tmp_path}/none")
    assert "libvirtd" in caught.value.hint


def test_a_daemon_that_says_nothing_is_given_up(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{tmp_path}/s")
        silent.listen()
        with pytest.raises(HostError, match=r"did not answer in 0\.2 s"):
            open_host(f"qemu+unix:///system?socket={tmp_path}/s", timeout=0.2)


def test_an_unknown_driver_is_a_host_error():
    with pytest.raises(HostError, match="nonsense"):
        open_host("nonsense:///system")


def test_a_made_up_host_whose_file_is_missing_is_told_once(capfd):
    with pytest.raises(HostError, match=r"/missing\.xml does not exist"):
        open_host("test:///missing.xml")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, NotFound),
        (libvirt.VIR_ERR_OPERATION_INVALID, WrongState),
        (libvirt.VIR_ERR_STORAGE_VOL_EXIST, Exists),
        (libvirt.VIR_ERR_OPERATION_DENIED, HostError),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, TimedOut),
        (libvirt.VIR_ERR_INTERNAL_ERROR, Failed),
    ],
)
def test_a_libvirt_error_becomes_ours_and_names_the_object(code, kind):
    error = libvirt.libvirtError("text")
    error.err = (code, 0, "first line\nsecond", 0, None, None, None, 0, 0)
    with pytest.raises(kind, match=r"^vm 'web': first line$"), asking("vm 'web'"):
        raise error


def test_work_that_hangs_is_left_behind():
    with pytest.raises(TimedOut, match=r"it did not answer in 0\.05 s"):
        within(0.05, "it", threading.Event().wait)


def test_of_several_jobs_each_has_its_own_end():
    def fail():
        raise WrongState("no")

    results = all_within(0.2, {"good": lambda: 1, "bad": fail, "hung": threading.Event().wait})
    assert results["good"] == 1
    assert isinstance(results["bad"], WrongState)
    assert isinstance(results["hung"], TimedOut)


CHILD = "internal error: Child process (/usr/bin/qemu-img resize /p/a (b).img 1) unexpected exit status 1: "


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            f"{CHILD}qemu-img: warning: Shrinking deletes data\nqemu-img: Use the --shrink option\n",
            "Use the --shrink option",
        ),
        ("Child process (/bin/mount -o x) unexpected exit status 32: mount.nfs: no route", "mount.nfs: no route"),
        (CHILD, CHILD.strip()),
    ],
)
def test_a_program_that_libvirt_ran_speaks_for_itself(message, said):
    error = libvirt.libvirtError("text")
    error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, 0, message, 0, None, None, None, 0, 0)
    with pytest.raises(Failed) as caught, asking("volume 'v'"):
        raise error
    assert str(caught.value) == f"volume 'v': {said}"
