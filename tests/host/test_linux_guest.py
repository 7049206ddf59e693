"""What only a guest with an operating system does: it is booted once, and the tests follow each other.

See tests/lab/linux.py for what the guest is.
"""

import contextlib
import time

import libvirt
import pytest

from kimchictl import cli
from lab import linux
from lab.images import make_image
from lab.linux import AGENT, BUTTON, UP, Console, make_linux

USER_DATA = "#cloud-config\n# ü <&>\nhostname: web\n"
MAC = "52:54:00:00:00:01"
SMALL = ("--memory", "512M", "--max-memory", "640M", "--vcpus", "1", "--max-vcpus", "2", "--virt-type", "qemu")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    if reason := linux.why_not():
        pytest.skip(reason)
    return make_linux(tmp_path_factory.mktemp("linux") / "linux.iso")


@pytest.fixture(scope="module")
def made(image, shared_host, tmp_path_factory):
    """A directory; in it that of the pool `default`. The VM `web` is made of the image, and is off."""
    place = tmp_path_factory.mktemp("host")
    (place / "user-data").write_text(USER_DATA)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LIBVIRT_DEFAULT_URI", shared_host.uri)
        for what in ("CONFIG", "STATE", "CACHE"):
            environment.setenv(f"KIMCHI_{what}_DIR", str(place / what.lower()))
        for command in (
            ("pool", "create", "default", "--path", place / "pool", "--start"),
            ("network", "start", "default"),
            ("template", "create", "--cdrom", image, "--disk", "size=1G", "--network", "default", *SMALL),
            ("vm", "create", "web", "--template", "debian-12", "--cloud-init", place / "user-data"),
        ):
            assert cli.main([str(word) for word in command]) == 0
    return place


class Guest:
    """A VM that runs, and its console; one that was started is seen from its first word on."""

    def __init__(self, name):
        self._name = name
        self._open = contextlib.ExitStack()

    def boot(self):
        self._attach(start=True)
        self.hear(UP)

    def attach(self):
        self._attach(start=False)
        self._console.greet()

    def _attach(self, start):
        self.close()
        self._console = self._open.enter_context(Console(self._name, start=start))
        self.ask, self.until, self.hear = self._console.ask, self._console.until, self._console.hear

    def close(self):
        self._open.close()


@pytest.fixture(scope="module")
def guest(made):
    with contextlib.closing(Guest("web")) as guest:
        yield guest


@pytest.fixture
def on_host(shared_host, monkeypatch):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", shared_host.uri)


@pytest.fixture
def web(guest, on_host, kimchi):
    """The guest; it runs."""
    if not hasattr(guest, "ask"):
        guest.boot()
    return guest


@pytest.fixture
def up(web, kimchi):
    """The same as it was when this was asked for first: for tests at whose end it may be off."""
    if "up" in shown(kimchi)["snapshots"]:
        kimchi("vm", "snapshot", "revert", "web", "up", "--yes", status=0)
        web.attach()
    else:
        kimchi("vm", "snapshot", "create", "web", "up", status=0)
    kimchi("vm", "wait", "web", "agent", status=0)
    return web


def shown(kimchi, name="web"):
    return kimchi("vm", "show", name, "-o", "json", status=0).json


def targets(kimchi):
    return [disk["target"] for disk in shown(kimchi)["disks"]]


# -- devices


@pytest.mark.parametrize(("bus", "seen"), [("virtio", "vdb"), ("scsi", "sda")])
def test_the_guest_sees_a_disk_come_grow_and_go(web, kimchi, bus, seen):
    done = kimchi("vm", "disk", "attach", "web", "--size", "64M", "--bus", bus, "-o", "json", status=0).json
    target, source = done["target"], done["source"]
    web.until(f"[ -b /dev/{seen} ]")
    web.ask(f"echo kept | dd of=/dev/{seen} conv=fsync")
    kimchi("vm", "disk", "resize", "web", target, "96M", status=0)
    if bus == "scsi":
        web.ask(f"echo 1 > /sys/block/{seen}/device/rescan")
    web.until(f"[ $(cat /sys/block/{seen}/size) = {96 << 11} ]")
    kimchi("vm", "disk", "detach", "web", target, status=0)
    web.until(f"[ ! -e /dev/{seen} ]")
    assert target not in targets(kimchi)
    kimchi("vm", "disk", "attach", "web", source, status=0)  # which nobody has any more
    web.until("[ -b /dev/vdb ]")
    assert web.ask("head -c 4 /dev/vdb") == "kept"
    kimchi("vm", "disk", "detach", "web", source, status=0)
    kimchi("volume", "delete", "default", source.rpartition("/")[2], "--yes", status=0)


def test_what_a_guest_lets_go_of_late_is_detached_once_more(web, kimchi, monkeypatch):
    kimchi("vm", "disk", "attach", "web", "--size", "64M", status=0)
    web.until("[ -b /dev/vdb ]")
    monkeypatch.setattr("kimchictl.virt.domain.devices.PATIENCE", 0.1)
    kimchi("vm", "suspend", "web", status=0)
    assert "does not let go" in kimchi("vm", "disk", "detach", "web", "vdb", status=8).err
    assert "vdb" in targets(kimchi)
    kimchi("vm", "resume", "web", status=0)
    web.until("[ ! -e /dev/vdb ]")
    while "vdb" in targets(kimchi):
        time.sleep(0.1)
    kimchi("vm", "disk", "detach", "web", "vdb", status=0)
    kimchi("volume", "delete", "default", "web-1.qcow2", "--yes", status=0)


def test_interfaces_come_and_go_and_lose_their_cable(web, kimchi):
    kimchi("vm", "nic", "attach", "web", "default", "--mac", MAC, status=0)
    web.until("[ -e /sys/class/net/eth1 ]")
    assert web.ask("ip link set eth1 up; cat /sys/class/net/eth1/address") == MAC
    web.until("[ $(cat /sys/class/net/eth1/carrier) = 1 ]")
    kimchi("vm", "nic", "set", "web", MAC, "--link", "down", status=0)
    web.until("[ $(cat /sys/class/net/eth1/carrier) = 0 ]")
    kimchi("vm", "nic", "set", "web", MAC, "--network", "bridge=virbr0", "--link", "up", status=0)
    web.until("[ $(cat /sys/class/net/eth1/carrier) = 1 ]")
    assert shown(kimchi)["nics"][1]["name"] == "virbr0"
    kimchi("vm", "nic", "detach", "web", MAC, status=0)
    web.until("[ ! -e /sys/class/net/eth1 ]")
    assert len(shown(kimchi)["nics"]) == 1


def test_cloud_init_s_data_come_as_they_were_given(web, kimchi):
    assert web.ask("label /dev/sr0") == "cidata"
    web.ask("mount -t iso9660 -o ro /dev/sr0 /mnt")
    assert web.ask("cat /mnt/user-data; umount /mnt") == USER_DATA.strip()


def test_a_medium_in_use_stays_and_another_is_seen(web, kimchi, made):
    web.ask("mount -t iso9660 -o ro /dev/sr0 /mnt")
    assert "in use" in kimchi("vm", "cdrom", "eject", "web", "--target", "sdb", status=4).err
    assert "web" in web.ask("umount /mnt; mount -t iso9660 -o ro /dev/sr0 /mnt; cat /mnt/meta-data; umount /mnt")
    kimchi("vm", "cdrom", "eject", "web", "--target", "sdb", status=0)
    web.until("! head -c 1 /dev/sr0")
    other = make_image(made / "other.iso", "OTHERS")
    kimchi("vm", "cdrom", "insert", "web", other, "--target", "sdb", status=0)
    web.until('[ "$(label /dev/sr0)" = OTHERS ]')


def test_memory_is_given_to_the_guest_and_taken_back(web, kimchi):
    def total(mebibytes):
        kimchi("vm", "edit", "web", "--memory", f"{mebibytes}M", status=0)
        while abs(shown(kimchi)["memory"] - (mebibytes << 20)) > 2 << 20:
            time.sleep(0.1)
        return int(web.ask("total"))

    assert 126 <= total(640) - total(512) <= 130
    assert "640 MiB" in kimchi("vm", "edit", "web", "--memory", "1G", status=4).err


def test_the_lease_and_the_agent_tell_the_guest_s_addresses(web, kimchi):
    kimchi("vm", "wait", "web", "agent", status=0)
    address = kimchi("vm", "wait", "web", "ip", "-o", "json", status=0).json["address"]
    assert f"inet {address}/24" in web.ask("ip addr show eth0")
    kimchi("vm", "nic", "attach", "web", "user", "--mac", MAC, status=0)
    web.until("ip addr add 192.0.2.7/24 dev eth1")
    web.ask("ip link set eth1 up; ip addr add 198.51.100.7/32 dev lo")  # which is on no interface of the VM
    assert shown(kimchi)["addresses"] == [address, "192.0.2.7"]
    kimchi("vm", "nic", "detach", "web", MAC, status=0)


# -- states


def test_a_snapshot_brings_memory_and_disk_back(web, kimchi):
    web.ask("echo before > /tmp/state; echo before | dd of=/dev/vda conv=fsync")
    kimchi("vm", "snapshot", "create", "web", "s", status=0)
    web.ask("echo after > /tmp/state; echo after | dd of=/dev/vda conv=fsync")
    kimchi("vm", "snapshot", "revert", "web", "s", "--yes", status=0)
    web.attach()
    assert web.ask("cat /tmp/state; echo 3 > /proc/sys/vm/drop_caches; head -n 1 /dev/vda") == "before\nbefore"
    kimchi("vm", "snapshot", "delete", "web", "s", "--yes", status=0)


def test_the_agent_stops_the_guest(up, kimchi):
    kimchi("vm", "stop", "web", "--timeout", "20s", status=0)
    up.hear(f"{AGENT} -P")


def test_an_agent_that_hangs_does_not_keep_the_guest_from_stopping(up, kimchi):
    up.ask("killall -STOP qemu-ga")
    kimchi("vm", "stop", "web", "--timeout", "40s", status=0)
    up.hear(BUTTON)


def test_without_an_agent_the_power_button_reboots_the_guest(up, kimchi):
    up.ask("killall qemu-ga")
    kimchi("vm", "reboot", "web", status=0)
    up.hear(BUTTON)
    up.hear(UP)


def test_vcpus_are_plugged_in_and_keep_the_guest_from_a_snapshot_of_no_use(up, kimchi, shared_host):
    kimchi("vm", "edit", "web", "--vcpus", "2", status=0)
    up.until("echo 1 > /sys/devices/system/cpu/cpu1/online")
    assert (up.ask("nproc"), shown(kimchi)["vcpus"]) == ("2", 2)
    assert "2 vcpus" in kimchi("vm", "edit", "web", "--vcpus", "3", status=4).err
    assert "plugged in" in kimchi("vm", "snapshot", "create", "web", status=4).err
    with contextlib.closing(libvirt.open(shared_host.uri)) as connection:
        connection.lookupByName("web").snapshotCreateXML("<domainsnapshot><name>of virsh</name></domainsnapshot>")
    assert "plugged in" in kimchi("vm", "snapshot", "revert", "web", "of virsh", "--yes", status=4).err
    assert up.ask("nproc") == "2"


# -- machines


def test_a_clone_is_another_machine_with_the_same_disk(up, kimchi):
    machine = "cat /sys/class/dmi/id/product_uuid /sys/class/net/eth0/address"
    before = up.ask(machine).split()
    up.ask("echo mine | dd of=/dev/vda conv=fsync")
    kimchi("vm", "stop", "web", "--force", status=0)
    kimchi("vm", "clone", "web", "other", status=0)
    with contextlib.closing(Guest("other")) as other:
        other.boot()
        after = other.ask(machine).split()
        assert other.ask("head -n 1 /dev/vda") == "mine"
    assert after == [shown(kimchi, "other")["uuid"], shown(kimchi, "other")["nics"][0]["mac"]]
    assert not set(after) & set(before)
    kimchi("vm", "delete", "other", "--yes", status=0)


def test_a_machine_for_windows_has_secure_boot_and_a_tpm(image, made, on_host, kimchi):
    system = ("--os-distro", "windows", "--os-version", "11", "--virt-type", "qemu")
    small = ("--memory", "1G", "--vcpus", "1", "--disk", "size=1G", "--graphics", "none")
    kimchi("template", "create", "win", "--cdrom", image, *system, *small, status=0)
    kimchi("vm", "create", "win", "--template", "win", status=0)
    with contextlib.closing(Guest("win")) as guest:
        guest.boot()
        assert guest.ask("tail -c 1 /sys/firmware/efi/efivars/SecureBoot-* | od -An -tu1") == "1"
        guest.ask("dmesg | grep 'Secure boot enabled'")
        assert guest.ask("cat /sys/class/tpm/tpm0/tpm_version_major") == "2"
        kimchi("vm", "stop", "win", "--timeout", "20s", status=0)
    kimchi("vm", "delete", "win", "--yes", status=0)
