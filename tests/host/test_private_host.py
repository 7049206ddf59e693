"""The ground that the other tests here stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import libvirt

from lab import host as lab
from lab.host import PrivateHost

POOL = "<pool type='dir'><name>p</name><target><path>{}</path></target></pool>"


def test_a_libvirtd_of_its_own_is_reached_from_outside(host: PrivateHost) -> None:
    connection = libvirt.open(host.uri)
    assert connection.listAllDomains() == []
    assert [network.name() for network in connection.listAllNetworks()] == ["default"]
    connection.close()


def test_paths_are_the_same_inside_and_outside(host: PrivateHost, tmp_path: Path) -> None:
    connection = libvirt.open(host.uri)
    pool = connection.storagePoolCreateXML(POOL.format(tmp_path))
    pool.createXML("<volume><name>v</name><capacity>4096</capacity></volume>")
    assert (tmp_path / "v").stat().st_size == 4096
    connection.close()


def test_what_listens_on_its_loopback_is_reached_there_and_not_here(host: PrivateHost) -> None:
    with host.listen() as server:
        port = server.getsockname()[1]
        connect = [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}))"]
        assert host.run(connect).returncode == 0
        assert subprocess.run(connect, stderr=subprocess.DEVNULL).returncode == 1


def test_a_command_keeps_its_directory_and_its_exit_status(host: PrivateHost, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = host.run(["sh", "-c", "pwd; exit 7"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, f"{tmp_path}\n")


def test_as_a_command_it_keeps_the_exit_status_and_ends_all_that_it_started(tmp_path: Path) -> None:
    leave_one = "virsh --quiet --connect qemu:///system net-start default && sleep 1000 & sleep 0.1; exit 9"
    started = [sys.executable, lab.__file__, str(tmp_path), "sh", "-c", leave_one]
    assert subprocess.run(started, stdout=subprocess.DEVNULL).returncode == 9
    assert processes_naming(tmp_path) == []


def test_one_that_was_here_before_has_what_was_defined_and_nothing_that_ran(tmp_path: Path) -> None:
    start_and_list = "virsh -c qemu:///system net-start default && virsh -c qemu:///system net-list --all"
    started = [sys.executable, lab.__file__, str(tmp_path), "sh", "-c", start_and_list]
    listed = [subprocess.run(started, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert listed[0] == listed[1] and "active" in listed[0]


def test_it_dies_with_the_process_that_made_it(tmp_path: Path) -> None:
    make = f"import sys, time; sys.path.insert(0, {str(Path(lab.__file__).parent)!r}); import host, pathlib\n"
    make += f"with host.PrivateHost(pathlib.Path({str(tmp_path)!r})): print('up', flush=True); time.sleep(1000)"
    maker = subprocess.Popen([sys.executable, "-c", make], stdout=subprocess.PIPE)
    assert maker.stdout and maker.stdout.readline() == b"up\n"
    assert processes_naming(tmp_path)
    os.kill(maker.pid, signal.SIGKILL)
    maker.communicate()
    for _ in range(100):
        if not processes_naming(tmp_path):
            return
        time.sleep(0.05)
    raise AssertionError(processes_naming(tmp_path))


def processes_naming(path: Path) -> list[str]:
    """The command lines of the processes that mention `path`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if str(path) in line and entry.parent.name != str(os.getpid()):
            found.append(line)
    return found
