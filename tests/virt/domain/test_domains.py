"""Domains: listed in a constant number of calls, read, and their state changed; on the test driver."""

import pytest

from kimchictl.errors import Exists, Invalid, NotFound, WrongState
from kimchictl.virt.connection import Host
from kimchictl.virt.domain import domains, listing, power
from kimchictl.virt.domain.domainread import read_domain

DOMAIN = "<domain type='test'><name>{}</name><memory unit='MiB'>8</memory><os><type>hvm</type></os></domain>"


class Counted:
    """A connection that counts the calls made through it."""

    def __init__(self, real):
        self.real, self.calls = real, []

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self.real, name)


def over(host, connection):
    """`host` over another connection."""
    return Host(host.lib, connection, host.uri, False, host.note)


def test_the_list_takes_the_same_number_of_calls_for_any_number_of_vms(host, driver):
    def calls():
        counted = Counted(driver)
        listing.list_vms(over(host, counted))
        return counted.calls

    few = calls()
    for number in range(20):
        driver.defineXML(DOMAIN.format(f"vm-{number}"))
    assert calls() == few
    assert len([name for name in few if name != "getType"]) == 3


def test_vms_are_sorted_ignoring_case(host, driver):
    for name in ("bca", "ABC", "cab", "xba"):
        driver.defineXML(DOMAIN.format(name))
    assert [vm.name for vm in listing.list_vms(host)] == ["ABC", "bca", "cab", "test", "xba"]


def test_a_vm_is_shown_with_its_devices(host):
    shown = domains.show_vm(host, "test")
    assert (shown.state, shown.memory, shown.max_memory, shown.vcpus) == ("running", 2 << 30, 8 << 30, 2)
    assert [(disk.target, disk.source) for disk in shown.disks] == [("vda", "/guest/diskimage1")]
    assert [nic.name for nic in shown.nics] == ["default"]
    assert shown.addresses == ("192.168.122.3",)


def test_a_vm_is_found_by_its_uuid_too(host):
    assert domains.show_vm(host, domains.show_vm(host, "test").uuid).name == "test"


def test_a_vm_that_does_not_exist_is_not_found(host):
    with pytest.raises(NotFound, match="'nosuchvm'"):
        domains.show_vm(host, "nosuchvm")


def test_states_change_once_and_are_then_so_already(host):
    assert power.start(host, "test") is False
    assert (power.suspend(host, "test"), power.suspend(host, "test")) == (True, False)
    assert (power.resume(host, "test"), power.resume(host, "test")) == (True, False)
    assert (power.power_off(host, "test"), power.power_off(host, "test")) == (True, False)
    assert power.start(host, "test") is True


@pytest.mark.parametrize("act", [power.suspend, power.resume, power.reboot, power.reset])
def test_what_needs_a_running_vm_is_refused_when_it_is_off(host, act):
    power.power_off(host, "test")
    with pytest.raises(WrongState, match="'test' is shutoff"):
        act(host, "test")


def test_a_rename_keeps_the_uuid_and_refuses_a_taken_name(host, driver):
    driver.defineXML(DOMAIN.format("other"))
    power.power_off(host, "test")
    uuid = domains.show_vm(host, "test").uuid
    power.rename(host, "test", "пeω-∨м")
    assert domains.show_vm(host, "пeω-∨м").uuid == uuid
    with pytest.raises(Exists, match="'other'"):
        power.rename(host, "пeω-∨м", "other")
    power.start(host, "пeω-∨м")
    with pytest.raises(WrongState):
        power.rename(host, "пeω-∨м", "new")


@pytest.mark.parametrize("name", ["", "  ", " a", "a/b", "..", "a\nb", "x" * 201])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(Invalid):
        domains.check_name(name)


def test_a_backing_chain_and_a_url_are_read():
    said = read_domain(
        """<domain><devices>
        <disk device='disk'><source file='/a'/><target dev='vda'/><backingStore type='file'><source file='/b'/>
          <backingStore type='file'><source file='/c'/><backingStore/></backingStore></backingStore></disk>
        <disk device='cdrom'><source protocol='http' name='/x.iso' query='a=b'><host name='h' port='80'/></source>
          <target dev='sda'/><readonly/></disk>
        <disk device='cdrom'><target dev='sdb'/></disk></devices></domain>""",
        "web",
    )
    assert said.disks[0].backing == ("/b", "/c")
    assert [disk.source for disk in said.disks] == ["/a", "http://h:80/x.iso?a=b", None]


def test_devices_of_the_host_are_read_as_its_commands_name_them():
    pci = "<source><address domain='0x0000' bus='0x01' slot='0x0a' function='0x1'/></source>"
    devices = f"""
        <interface type='hostdev'>{pci}</interface>
        <hostdev mode='subsystem' type='pci'>{pci}</hostdev>
        <hostdev mode='subsystem' type='usb'><source><vendor id='0x1d6b'/><product id='0x0002'/></source></hostdev>
        <hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>
        <hostdev mode='subsystem' type='mdev'><source><address uuid='c2177883-f1bb'/></source></hostdev>
        <hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>
          <address bus='0' target='2' unit='5'/></source></hostdev>
        <hostdev mode='capabilities' type='storage'><source><block>/dev/sdf1</block></source></hostdev>"""
    said = read_domain(f"<domain><devices>{devices}</devices></domain>", "web")
    names = ["0000:01:0a.1", "1d6b:0002", "001:004", "c2177883-f1bb", "0:0:2:5", "/dev/sdf1"]
    assert [each.name for each in said.hostdevs] == names
    assert [each.type for each in said.hostdevs] == ["pci", "usb", "usb", "mdev", "scsi", "storage"]
    assert said.nics[0].name == "0000:01:0a.1"


def test_firmware_variables_are_found_in_both_ways_that_libvirt_writes_them():
    for nvram in ("<nvram>/v.fd</nvram>", "<nvram type='file'><source file='/v.fd'/></nvram>"):
        assert read_domain(f"<domain><os>{nvram}</os></domain>", "web").nvram == "/v.fd"
