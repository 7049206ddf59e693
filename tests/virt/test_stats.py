import pytest

from kimchictl.virt import hostcounters
from kimchictl.virt.connection import open_host
from kimchictl.virt.stats import HOST, exists, measure


@pytest.fixture
def host():
    with open_host("test:///default", readonly=True) as opened:
        yield opened


def test_a_round_knows_all_that_run_and_the_host_and_not_what_the_driver_cannot_tell(host):
    subjects = measure(host).subjects
    assert sorted(counters.name for counters in subjects.values()) == [HOST, "test"]
    guest = next(counters for key, counters in subjects.items() if key != HOST)
    assert (guest.cpu, guest.memory, guest.disks, guest.nics) == (None, None, None, None)
    assert (subjects[HOST].cpus, subjects[HOST].disks) == (16, None)


def test_a_round_is_one_call_for_all_domains(host, monkeypatch):
    calls = []

    class Counting:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(host_conn, name)

    host_conn = host.conn
    monkeypatch.setattr(host, "conn", Counting())
    measure(host)
    assert sorted(calls) == ["getAllDomainStats", "getCPUStats", "getInfo", "getMemoryStats"]


def test_a_domain_is_found_by_name_and_by_uuid(host):
    uuid = host.conn.lookupByName("test").UUIDString()
    assert [exists(host, name) for name in ("test", uuid, "nope")] == [True, True, False]


@pytest.fixture
def kernel(tmp_path):
    """A /proc and a /sys with a disk, its partition and a loop device; a card, a bridge and the loopback."""
    for path in ("block/vda/device", "block/loop0", "class/net/eth0/device", "class/net/virbr0", "class/net/lo"):
        (tmp_path / "sys" / path).mkdir(parents=True)
    (tmp_path / "proc/net").mkdir(parents=True)
    line = " 254 0 {} 10 0 {} 3 5 0 {} 4 0 4 3\n"
    disks = [("vda", 8, 2), ("vda1", 8, 2), ("loop0", 99, 99)]
    (tmp_path / "proc/diskstats").write_text("".join(line.format(*disk) for disk in disks) + "torn\n")
    net = "face |bytes\n  eth0: 7 0 0 0 0 0 0 0 9 0\nvirbr0:1 0 0 0 0 0 0 0 1 0\n    lo: 5 0 0 0 0 0 0 0 5 0\n"
    (tmp_path / "proc/net/dev").write_text(net)
    return tmp_path


def places(kernel):
    return str(kernel / "proc"), str(kernel / "sys")


def test_only_hardware_counts(kernel):
    assert hostcounters.disks(*places(kernel)) == {"vda": (8 * 512, 2 * 512)}
    assert hostcounters.nics(*places(kernel)) == {"eth0": (7, 9)}


def test_where_no_interface_has_hardware_all_but_the_loopback_count(kernel):
    (kernel / "sys/class/net/eth0/device").rmdir()
    assert hostcounters.nics(*places(kernel)) == {"eth0": (7, 9), "virbr0": (1, 1)}


def test_a_kernel_that_tells_nothing_is_unknown(tmp_path):
    assert hostcounters.disks(str(tmp_path), str(tmp_path)) is None
    assert hostcounters.nics(str(tmp_path), str(tmp_path)) is None
