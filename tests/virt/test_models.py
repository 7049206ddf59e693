"""What qemu and its machines lack; with the real ones in tests/host/test_vm_create.py and test_vm_devices.py."""

from types import SimpleNamespace

from kimchictl.catalog.records import Disk, Graphics, Template, Topology
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.models import missing_devices, nic_models, parse_devices, require_nic_model

LISTING = """USB devices:
name "usb-ehci", bus PCI

Network devices:
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"
name "ne2k_isa", bus ISA
name "rocker", bus PCI, desc "Rocker Switch"
name "virtio-net-pci", bus PCI, alias "virtio-net"
name "usb-net", bus usb-bus

Input devices:
name "virtio-tablet-pci", bus PCI
"""


def test_of_qemus_devices_those_are_interfaces_that_libvirt_can_plug_in():
    named = {"e1000", "e1000-82540em", "virtio", "virtio-transitional", "virtio-non-transitional"}
    assert set(parse_devices(LISTING)) == named | {"virtio-net-pci", "virtio-net"}


def test_an_emulator_that_does_not_tell_has_none(tmp_path):
    assert nic_models("/bin/true") == nic_models(str(tmp_path)) == parse_devices("") == ()


def test_all_buses_and_displays_that_a_machine_lacks_are_named_with_those_it_has(host):
    disks = tuple(Disk(bus=bus) for bus in ("ide", "virtio", "ide", "scsi"))
    wanted = Template("t", disks=disks, graphics=Graphics("spice"))
    features = frozenset(("disk:virtio", "disk:sata", "disk:fdc", "graphics:vnc", "uefi"))
    found = missing_devices(host, wanted, Machine(machine="q35", features=features))
    assert [str(error).rpartition(" ")[2] for error in found] == ["'ide'", "'scsi'", "'spice'"]
    assert [error.hint for error in found] == ["it has sata, virtio", "it has sata, virtio", "--graphics vnc or none"]


def test_a_cpu_and_vcpus_that_a_machine_lacks_are_named_and_a_mode_is_no_model(host):
    offered = Machine(machine="q35", features=frozenset(("model:EPYC", "model:Nehalem")), most_vcpus=288)
    wrong = missing_devices(host, Template("t", cpu="Nehalm", vcpus=1, max_vcpus=300), offered)
    assert [str(error) for error in wrong] == [
        "the host has no cpu model 'Nehalm'",
        "vcpus 300 is above the 288 of machine 'q35'",
    ]
    assert wrong[0].hint == "did you mean 'Nehalem'?"
    for cpu in ("Nehalem", "maximum", "host-passthrough", None):
        assert missing_devices(host, Template("t", cpu=cpu, vcpus=288), offered) == []
    assert missing_devices(host, Template("t", topology=Topology(17, 17, 1)), offered) != []


def test_for_an_interface_that_is_always_there_no_emulator_is_started(monkeypatch):
    monkeypatch.setattr("kimchictl.virt.models.nic_models", None)
    require_nic_model(SimpleNamespace(driver="qemu"), "virtio", "q35", "/usr/bin/qemu")


def test_what_nobody_told_is_not_missed(host):
    assert missing_devices(host, Template("t", disks=(Disk(bus="ide"),)), Machine(machine="q35")) == []
