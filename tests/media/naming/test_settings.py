"""A guest gets the memory its system wants, and the devices that its system has drivers for."""

import json
from pathlib import Path

import pytest

import kimchictl
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_compile import compile_files
from kimchictl.media.naming.osinfo_files import find_files
from kimchictl.media.naming.settings import settings_for, windows_short_id
from kimchictl.media.records import Identity
from lab import osinfo_tree
from lab.osinfo_tree import system

DATA = Path(kimchictl.__file__).parent / "data"
RULES = json.loads((DATA / "rules.json").read_text("utf-8"))["rules"]
TABLE = json.loads((DATA / "settings.json").read_text("utf-8"))


@pytest.fixture
def database(tmp_path):
    def make(*systems):
        osinfo_tree.write(tmp_path, "x/all.xml", *systems)
        return Database(compile_files(find_files((str(tmp_path),))))

    return make


def resources(arch="all", **kinds):
    """<resources>; a kind is (memory bytes, CPUs, disk bytes), 0 for what is not given."""
    inner = ""
    for kind, figures in kinds.items():
        tags = zip(("ram", "n-cpus", "storage"), figures, strict=True)
        inner += f"<{kind}>" + "".join(f"<{tag}>{n}</{tag}>" for tag, n in tags if n) + f"</{kind}>"
    return f'<resources arch="{arch}">{inner}</resources>'


def devices(*names, supported="true"):
    links = "".join(f'<device id="http://pcisig.com/pci/{name}" supported="{supported}"/>' for name in names)
    return f"<devices>{links}</devices>"


def derived(short_id):
    return f'<derives-from id="http://example.org/{short_id}"/>'


GIB = 1 << 30

# -- from our table


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
    assert (found.disk_bus, found.nic_model, found.machine, found.eol) == ("ide", "e1000", "pc", True)


def test_ten_is_above_nine():
    assert settings_for(Identity("debian", "10.2")).memory == settings_for(Identity("debian", "12")).memory


@pytest.mark.parametrize("kind", TABLE["kinds"])
def test_every_kind_is_whole(kind):
    values = dict(TABLE["kinds"][kind])
    while "kind" in values:
        values = {**TABLE["kinds"][values.pop("kind")], **values}
    assert {"memory", "min_memory", "vcpus", "disk", "disk_bus", "nic_model", "machine", "firmware"} <= set(values)
    assert values["min_memory"] <= values["memory"] and not (values["machine"] == "q35" and values["disk_bus"] == "ide")


def test_every_system_that_a_rule_names_has_settings_of_its_own():
    named = {rule["distro"] for rule in RULES if "{" not in rule["distro"]}
    named |= {distro for rule in RULES for distro in rule.get("ids", {}).values()}
    listed = set(TABLE["systems"]) | {distro for distros in TABLE["likewise"].values() for distro in distros}
    assert sorted(named - listed) == []


# -- from osinfo-db


def test_the_database_recommends_and_what_it_does_not_recommend_it_asks_at_least(database):
    foo = system("foo1", extra=resources(recommended=(3 * GIB, 0, 30 * GIB), minimum=(GIB, 4, 10 * GIB)))
    found = settings_for(Identity("foo", "1", os_variant="foo1"), database=database(foo))
    assert (found.memory, found.min_memory, found.vcpus, found.disk) == (3072, 1024, 4, 30)


def test_figures_and_drivers_are_inherited(database):
    old = system("foo1", extra=resources(recommended=(2 * GIB, 2, 20 * GIB)) + devices("1af4/1001", "1af4/1000"))
    new = system("foo2", version="2", extra=derived("foo1") + resources(recommended=(4 * GIB, 0, 0)))
    found = settings_for(Identity("foo", "2", os_variant="foo2"), database=database(old, new))
    assert (found.memory, found.vcpus, found.disk_bus, found.nic_model) == (4096, 2, "virtio", "virtio")


def test_a_driver_that_was_dropped_is_not_inherited(database):
    old = system("foo1", extra=devices("1af4/1001", "8086/100e"))
    new = system("foo2", version="2", extra=derived("foo1") + devices("1af4/1001", supported="false"))
    found = settings_for(Identity("foo", "2", os_variant="foo2"), database=database(old, new))
    assert (found.disk_bus, found.nic_model) == ("ide", "e1000")


def test_a_circle_of_descent_ends(database):
    one = system("foo1", extra=derived("foo2"))
    two = system("foo2", version="2", extra=derived("foo1") + resources(recommended=(4 * GIB, 0, 0)))
    assert settings_for(Identity("foo", "1", os_variant="foo1"), database=database(one, two)).memory == 4096


def test_the_figures_are_those_of_the_architecture(database):
    foo = system("foo1", extra=resources("i686", minimum=(GIB, 0, 0)) + resources("x86_64", minimum=(4 * GIB, 0, 0)))
    known = database(foo)
    assert settings_for(Identity("foo", "1", "i686", "foo1"), database=known).memory == 1024
    assert settings_for(Identity("foo", "1", "x86_64", "foo1"), database=known).memory == 4096


def test_a_release_newer_than_the_database_is_treated_as_its_newest_but_for_its_end(database):
    past = "<eol-date>2001-01-01</eol-date>"
    debian = system("debian12", distro="debian", version="12", extra=past + resources(recommended=(3 * GIB, 0, 0)))
    found = settings_for(Identity("debian", "99.1", os_variant="debian99"), database=database(debian))
    assert (found.memory, found.eol) == (3072, False)
    assert settings_for(Identity("debian", "12.1", os_variant="debian12"), database=database(debian)).eol


def test_a_release_older_than_the_database_is_not_treated_as_its_newest(database):
    slackware = system("slackware15", distro="slackware", version="15.0", extra=devices("1af4/1001"))
    assert settings_for(Identity("slackware", "8.1"), database=database(slackware)).disk_bus == "ide"


def test_a_system_that_no_bios_boots_gets_uefi(database):
    bios = '<firmware arch="x86_64" type="bios" supported="false"/><firmware arch="x86_64" type="efi"/>'
    both = '<firmware arch="x86_64" type="efi"/>'
    found = settings_for(Identity("foo", "1", "x86_64", "foo1"), database=database(system("foo1", extra=bios)))
    assert (found.firmware, found.machine, found.disk_bus) == ("uefi", "q35", "sata")
    found = settings_for(Identity("foo", "1", "x86_64", "foo1"), database=database(system("foo1", extra=both)))
    assert found.firmware == "bios"


def test_absurd_figures_are_left_out(database):
    absurd = system("foo1", extra=resources(recommended=(10**30, 10**9, 10**17)).replace("</ram>", "x</ram>"))
    found = settings_for(Identity("foo", "1", os_variant="foo1"), database=database(absurd))
    assert (found.memory, found.vcpus, found.disk) == (2048, 1, 20)


@pytest.mark.parametrize(
    ("version", "short_id"), [("2000", "win2k"), ("2003r2", "win2k3r2"), ("2012r2", "win2k12r2"), ("11", "win11")]
)
def test_a_windows_that_the_user_named_is_found_in_the_database(version, short_id):
    assert windows_short_id(version) == short_id
