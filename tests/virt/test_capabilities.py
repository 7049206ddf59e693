"""What a host offers, read from its documents; and the machine chosen of it."""

import pytest

from kimchictl.catalog.records import Template
from kimchictl.errors import Invalid
from kimchictl.virt.capabilities import (
    Capabilities,
    Guest,
    choose_machine,
    parse_capabilities,
    parse_features,
    parse_most_vcpus,
)
from kimchictl.virt.domain.machine import choose_hardware, find_machine

X86 = Guest("x86_64", "/usr/bin/qemu-system-x86_64", ("qemu", "kvm"), ("pc", "q35"))
ARM = Guest("aarch64", "/usr/bin/qemu-system-aarch64", ("qemu",), ("virt",))
BOTH = Capabilities("x86_64", (X86, ARM))

DOCUMENT = """
<capabilities><host><cpu><arch>x86_64</arch></cpu>
  <secmodel><model>apparmor</model></secmodel>
  <secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+64055:+108</baselabel></secmodel></host>
  <guest><os_type>hvm</os_type><arch name='x86_64'><emulator>/e</emulator>
    <machine canonical='pc-q35-7.2'>q35</machine><domain type='qemu'/><domain type='kvm'/></arch></guest>
  <guest><os_type>xen</os_type><arch name='x86_64'><domain type='xen'/></arch></guest>
</capabilities>"""

FEATURES = """
<domainCapabilities><vcpu max='288'/><os supported='yes'><enum name='firmware'><value>efi</value></enum>
    <loader supported='yes'><enum name='secure'><value>yes</value><value>no</value></enum></loader></os>
  <cpu><mode name='host-model' supported='no'/><mode name='maximum' supported='yes'/>
    <mode name='custom' supported='yes'><model usable='no'>EPYC</model></mode></cpu>
  <devices><video supported='yes'><enum name='modelType'><value>vga</value><value>virtio</value></enum></video>
    <tpm supported='yes'><enum name='backendModel'><value>passthrough</value><value>emulator</value></enum></tpm>
  </devices></domainCapabilities>"""


def test_capabilities_tell_the_guests_and_as_whom_they_run():
    offered = parse_capabilities(DOCUMENT)
    assert (offered.arch, offered.qemu_user) == ("x86_64", (64055, 108))
    assert offered.guests == (Guest("x86_64", "/e", ("qemu", "kvm"), ("q35",)),)


def test_features_tell_what_the_emulator_can():
    features = parse_features(FEATURES)
    assert {"uefi", "secure-boot", "tpm", "video:virtio", "cpu:maximum", "model:EPYC"} <= features
    assert "cpu:host-model" not in features and parse_most_vcpus(FEATURES) == 288


@pytest.mark.parametrize("vcpu", ["", "<vcpu/>", "<vcpu max='many'/>", f"<vcpu max='{'9' * 5000}'/>"])
def test_a_host_that_does_not_tell_how_many_vcpus_it_takes_limits_none(vcpu):
    assert parse_most_vcpus(f"<domainCapabilities>{vcpu}</domainCapabilities>") is None


@pytest.mark.parametrize(("wanted", "chosen"), [("auto", "kvm"), (None, "kvm"), ("kvm", "kvm"), ("qemu", "qemu")])
def test_auto_is_kvm_where_the_host_offers_it(wanted, chosen):
    assert choose_machine(BOTH, None, wanted).virt_type == chosen


def test_auto_is_qemu_where_it_does_not():
    assert choose_machine(BOTH, "arm64", "auto").virt_type == "qemu"


def test_kvm_that_is_not_offered_is_refused():
    with pytest.raises(Invalid, match="'kvm' is not offered"):
        choose_machine(BOTH, "aarch64", "kvm")


def test_an_architecture_that_cannot_run_is_refused_with_those_that_can():
    with pytest.raises(Invalid, match="s390x") as caught:
        choose_machine(BOTH, "s390x")
    assert "aarch64, x86_64" in caught.value.hint


def test_a_machine_type_that_is_not_offered_is_refused():
    with pytest.raises(Invalid, match="'pc-99'"):
        choose_machine(BOTH, None, machine="pc-99")


def test_i386_runs_on_the_x86_64_emulator():
    assert choose_machine(BOTH, "i386").arch == "x86_64"


@pytest.mark.parametrize(
    ("system", "machine", "cdrom", "disk", "nic"),
    [("debian", "q35", "sata", "virtio", "virtio"), ("unknown", "pc", "ide", "ide", "e1000")],
)
def test_an_unknown_system_gets_what_every_system_has_drivers_for(system, machine, cdrom, disk, nic):
    chosen = choose_hardware(Template("t", system), choose_machine(BOTH, None))
    assert (chosen.machine, chosen.cdrom_bus, chosen.disk_bus, chosen.nic_model) == (machine, cdrom, disk, nic)


def test_the_test_driver_takes_any_guest(host):
    assert find_machine(host, Template("t", "debian", os_arch="x86_64", virt_type="kvm")).virt_type == "test"
