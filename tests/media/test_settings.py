"""A guest gets the devices that its system has drivers for."""

from kimchictl.media.records import Identity
from kimchictl.media.settings import settings_for


def test_an_unknown_system_gets_ide_and_e1000_on_a_pc():
    found = settings_for(Identity())
    assert (found.disk_bus, found.nic_model, found.machine, found.firmware) == ("ide", "e1000", "pc", "bios")


def test_an_unknown_system_that_only_uefi_boots_gets_sata():
    found = settings_for(Identity(), boot=("uefi",))
    assert (found.disk_bus, found.machine, found.firmware) == ("sata", "q35", "uefi")


def test_a_release_newer_than_the_table_is_treated_as_its_newest():
    found = settings_for(Identity("debian", "17.1.0"))
    assert (found.disk_bus, found.nic_model, found.machine, found.eol) == ("virtio", "virtio", "q35", False)


def test_windows_11_wants_secure_boot_and_a_tpm():
    found = settings_for(Identity("windows", "11"))
    assert (found.firmware, found.secure_boot, found.tpm, found.disk >= 64) == ("uefi", True, True, True)


def test_an_old_windows_gets_ide_and_is_past_its_end_of_life():
    found = settings_for(Identity("windows", "xp"))
    assert (found.disk_bus, found.machine, found.eol) == ("ide", "pc", True)


def test_ten_is_above_nine():
    assert settings_for(Identity("debian", "10.2")).memory == settings_for(Identity("debian", "12")).memory
