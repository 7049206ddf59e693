"""Statistics of real guests, and of a libvirtd that goes away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import libvirt
import pytest

from kimchictl.actions.host.collect import journal_directory
from kimchictl.actions.host.journal import Journal
from kimchictl.virt.connection import open_host
from kimchictl.virt.stats import HOST, measure
from lab.host import PrivateHost

GUEST = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><source network='default'/></interface>
  </devices>
</domain>
"""


@pytest.fixture
def guest(host: PrivateHost, tmp_path: Path):
    """A running guest, `web`, which boots from nothing, busily, and reads its disk to see that."""
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    connection = libvirt.open(host.uri)
    connection.networkLookupByName("default").create()
    domain = connection.defineXML(GUEST.format(name="web", disk=tmp_path / "disk"))
    domain.create()
    yield domain
    connection.close()


def journal(host: PrivateHost) -> Journal:
    return Journal(journal_directory(os.environ["KIMCHI_STATE_DIR"], host.uri))


def test_a_guest_has_values_for_everything(host: PrivateHost, guest, kimchi) -> None:
    shown = kimchi("stats", "show", "web", "-o", "json", status=0).json
    values = [shown[key]["current"] for key in ("cpu", "memory", "disk_read", "disk_write", "net_rx", "net_tx")]
    assert all(value is not None and value >= 0 for value in values)
    assert 0 < shown["cpu"]["current"] <= 100
    assert shown["memory"]["current"] > 10 << 20


def test_its_counters_are_those_of_domstats(host: PrivateHost, guest) -> None:
    guest.suspend()
    with open_host(host.uri, readonly=True) as opened:
        counters = measure(opened).subjects[guest.UUIDString()]
    ((_, told),) = guest.connect().getAllDomainStats()
    assert counters.cpu <= told["cpu.time"] <= counters.cpu + 10**9  # qemu itself goes on when its guest does not
    assert counters.cpus == 2
    assert counters.disks == {"vda": (told["block.0.rd.bytes"], told["block.0.wr.bytes"])}
    assert list(counters.nics.values()) == [(told["net.0.rx.bytes"], told["net.0.tx.bytes"])]


def test_the_host_itself_is_measured(host: PrivateHost) -> None:
    with open_host(host.uri, readonly=True) as opened:
        counters = measure(opened).subjects[HOST]
    assert counters.cpu and counters.cpus and counters.memory


def test_a_guest_started_again_has_no_negative_rate_and_one_that_is_off_stays_in_the_history(
    host: PrivateHost, guest, kimchi
) -> None:
    kimchi("stats", "collect", "--once", status=0)
    guest.destroy()
    guest.create()
    kimchi("stats", "collect", "--once", status=0)
    shown = kimchi("stats", "show", "web", "--since", "1h", "-o", "json", status=0).json
    assert [moment["cpu"] is None for moment in shown["history"]] == [False, True]
    guest.destroy()
    kimchi("stats", "collect", "--once", status=0)
    assert [row["name"] for row in kimchi("stats", "show", "-o", "json", status=0).json] == ["host"]
    off = kimchi("stats", "show", "web", "--since", "1h", "-o", "json", status=0).json
    assert (off["cpu"]["current"], len(off["history"])) == (None, 2)


def test_a_vm_that_was_never_seen_running_is_shown_with_nothing_known(host: PrivateHost, guest, kimchi) -> None:
    guest.destroy()
    shown = kimchi("stats", "show", "web", "-o", "json", status=0).json
    assert (shown["at"], shown["cpu"]["current"]) == (None, None)


def test_a_round_is_the_same_number_of_calls_for_many_guests(host: PrivateHost, guest, monkeypatch) -> None:
    """Counted in the library, where a call that is made for each guest would show."""
    calls: list[str] = []
    for method in ("info", "state", "memoryStats", "XMLDesc", "blockStats", "interfaceStats", "vcpus", "isActive"):
        monkeypatch.setattr(libvirt.virDomain, method, lambda *_, method=method: calls.append(method))
    with open_host(host.uri, readonly=True) as opened:
        assert len(measure(opened).subjects) == 2
    assert calls == []


def test_a_collector_goes_on_when_libvirtd_was_away(tmp_path: Path) -> None:
    with PrivateHost() as own:
        environ = {**os.environ, "LIBVIRT_DEFAULT_URI": own.uri}
        command = [sys.executable, "-m", "kimchictl", "stats", "collect", "--interval", "0.5s"]
        collector = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        try:
            assert collector.stderr
            collector.stderr.readline()
            own.run(["sh", "-c", "kill -9 $(cat /run/libvirt/libvirtd.pid)"], check=True)
            assert "trying again" in collector.stderr.readline()
            started = time.time()
            own.run(["rm", "-f", "/run/libvirt/libvirt-sock", "/run/libvirt/libvirtd.pid"])
            own.run(
                [
                    "libvirtd",
                    "--daemon",
                    "--config",
                    "/etc/libvirt/libvirtd.conf",
                    "--pid-file",
                    "/run/libvirt/libvirtd.pid",
                ]
            )
            while not journal(own).read(started):
                assert collector.poll() is None
                time.sleep(0.1)
        finally:
            collector.kill()
            collector.communicate()
