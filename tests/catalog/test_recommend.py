"""What a template takes over from the recommendations for its system."""

import pytest

from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import Defaults, resolve
from kimchictl.catalog.templates import recommend
from kimchictl.media.naming.settings import settings_for
from kimchictl.media.records import Identity


@pytest.mark.parametrize("arch", ["aarch64", "riscv64", "ppc64le", "s390x"])
@pytest.mark.parametrize(("distro", "version"), [("unknown", "unknown"), ("debian", "12"), ("debian", "3.1")])
def test_no_device_of_a_pc_is_recommended_to_another_machine(arch, distro, version):
    made = recommend(Template("a", distro, version, arch), settings_for(Identity(distro, version, arch)), {})
    whole = resolve(made, Defaults()).template
    assert whole.machine not in ("pc", "q35", None)
    assert (whole.disk_bus, whole.nic_model) == ("virtio", "virtio")
    assert (whole.firmware == "uefi") == (arch in ("aarch64", "riscv64"))


@pytest.mark.parametrize("arch", ["x86_64", "i686", None])
def test_a_pc_gets_what_its_system_has_drivers_for(arch):
    made = recommend(Template("a", "unknown", "unknown", arch), settings_for(Identity("unknown", "unknown", arch)), {})
    assert (made.machine, made.disk_bus, made.nic_model, made.firmware) == ("pc", "ide", "e1000", "bios")
