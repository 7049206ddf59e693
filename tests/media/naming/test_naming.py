"""Who is believed: what this site taught, then osinfo-db, then our rules; and the evidence for it."""

import pytest

from kimchictl.media.naming.inside import Inside
from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_compile import compile_files
from kimchictl.media.naming.osinfo_files import find_files
from kimchictl.media.naming.rules import parse_rule
from kimchictl.media.naming.taught import teach
from kimchictl.media.records import Identity, Media
from lab import osinfo_tree
from lab.osinfo_tree import medium, system


@pytest.fixture
def namer(tmp_path):
    """A namer over a database of these systems, and what was taught with these documents."""

    def make(*systems, taught=()):
        osinfo_tree.write(tmp_path, "x/all.xml", *systems)
        database = Database(compile_files(find_files((str(tmp_path),))))
        return Namer(database, [parse_rule(document, "taught") for document in taught])

    return make


def called(namer, label, **labels):
    found = namer.identify(Media(size=0, volume_id=label, **labels))
    return f"{found.os_distro} {found.os_version} {found.os_variant} {found.identified_by}"


def test_the_database_names_and_the_rule_adds_the_point_release(namer):
    debian = system("debian12", medium(volume=r"Debian 12\.\d"), distro="debian", version="12")
    assert called(namer(debian), "Debian 12.5.0 amd64 n") == "debian 12.5.0 debian12 osinfo:debian12"


def test_a_rule_names_what_the_database_does_not_know(namer):
    debian = system("debian12", medium(volume=r"Debian 12\.\d"), distro="debian", version="12")
    assert called(namer(debian), "Debian 13.1.0 amd64 n") == "debian 13.1.0 debian13 rule:debian"


def test_a_rule_names_what_the_database_knows_only_vaguely(namer):
    unknown = system("rhel8-unknown", medium(volume=r"RHEL-8"), distro="rhel", version="8-unknown")
    assert called(namer(unknown), "RHEL-8-9-0-BaseOS-x86_64") == "rhel 8.9 rhel8.9 rule:rhel"


def test_a_vague_entry_counts_where_there_is_nothing_else(namer):
    vague = system("foo-unknown", medium(volume="FOO"), version="unknown")
    assert called(namer(vague), "FOO 7") == "foo unknown foo-unknown osinfo:foo-unknown"


def test_a_pattern_of_the_database_that_stops_within_a_number_is_not_believed(namer):
    old = system("alpinelinux3.1", medium(volume=r"alpine-std 3\.1"), distro="alpinelinux", version="3.1")
    assert called(namer(old), "alpine-std 3.19.0 x86_64") == "alpinelinux 3.19.0 alpinelinux3.19 rule:alpine"
    assert called(namer(old), "alpine-std 3.1.2 x86_64") == "alpinelinux 3.1.2 alpinelinux3.1 osinfo:alpinelinux3.1"


def test_what_was_unstable_in_an_old_database_has_been_released_since(namer):
    unstable = system("nixos-unstable", medium(volume="nixos-minimal-24.05"), distro="nixos", version="unstable")
    label = "nixos-minimal-24.05-x86_64"
    assert called(namer(unstable), label) == "nixos 24.05 nixos-24.05 rule:nixos"
    recent = system("nixos-new", released="2999-01-01")
    assert called(namer(unstable, recent), label) == "nixos unstable nixos-unstable osinfo:nixos-unstable"


@pytest.mark.parametrize(
    ("short_id", "version"),
    [
        ("win2k", "2000"),
        ("winxp", "xp"),
        ("win2k3r2", "2003r2"),
        ("win8.1", "8.1"),
        ("win2k22", "2022"),
        ("win11", "11"),
    ],
)
def test_a_windows_goes_by_the_name_that_users_know(namer, short_id, version):
    windows = system(short_id, medium(volume="FOO"), distro="win", version="6.3")
    assert called(namer(windows), "FOO") == f"windows {version} {short_id} osinfo:{short_id}"


def test_arch_goes_by_the_name_that_users_type(namer):
    arch = system("archlinux", medium(volume="ARCH"), distro="archlinux", version="", status="rolling")
    assert called(namer(arch), "ARCH_202401") == "arch rolling archlinux osinfo:archlinux"


def test_what_was_taught_comes_before_all(namer):
    debian = system("debian12", medium(volume=r"Debian 12\.\d"), distro="debian", version="12")
    lesson = teach(Media(size=0, volume_id="Debian 12.5.0 amd64 n"), "ours", "3")
    assert called(namer(debian, taught=[lesson]), "Debian 12.5.0 arm64 n") == "ours 3 None taught:ours-3"


def test_what_was_taught_names_even_a_label_of_own_files(namer):
    lesson = teach(Media(size=0, volume_id="BACKUP_LINUX_4.2"), "backuplinux", "4.2")
    assert called(namer(taught=[lesson]), "BACKUP_LINUX_5.0") == "backuplinux 5.0 None taught:backuplinux-4.2"


def test_the_evidence_has_the_labels_the_runners_up_and_what_decided(namer):
    debian = system("debian12", medium(volume=r"Debian 12\.\d"), distro="debian", version="12")
    found = namer(debian).explain(Media(size=0, volume_id="Debian 12.5.0 amd64 n", system_id="LINUX"))
    assert found.labels == {"volume": "Debian 12.5.0 amd64 n", "system": "LINUX"}
    assert found.chosen.label == "osinfo:debian12"
    assert [other.label for other in found.runners_up] == ["rule:debian"]
    assert "osinfo-db" in found.decided


@pytest.mark.parametrize("label", ["Debian 12.5.0 amd64 n", "FOO 1"])
def test_the_evidence_says_where_no_database_is_installed_and_what_brings_one(namer, label):
    found = namer().explain(Media(size=0, volume_id=label))
    assert found.decided.startswith("no osinfo-db is installed (the package osinfo-db brings it), ")


def test_two_entries_as_good_are_decided_by_a_look_inside_else_by_age(namer):
    old = system("win10", medium(volume="CCCOMA_X64"), distro="win", version="10.0", released="2015-07-29")
    new = system("win11", medium(volume="CCCOMA_X64"), distro="win", version="11.0", released="2021-10-05")
    media = Media(size=0, volume_id="CCCOMA_X64FRE_EN-US_DV9")
    both = namer(old, new)
    assert both.identify(media).os_version == "11"
    seen = both.identify(media, lambda: Inside("sources/install.wim", "wim client 10.0.19045 x86_64"))
    assert (seen.os_version, seen.os_variant, seen.os_name) == ("10", "win10", "The win10")


def test_of_entries_as_good_the_one_that_our_rule_can_tell_counts(namer):
    old = system("win10", medium(volume="J_CCSA"), distro="win", version="10.0", released="2015-07-29")
    new = system("win11", medium(volume="J_CCSA"), distro="win", version="11.0", released="2021-10-05")
    assert called(namer(old, new), "J_CCSA_X64FRE_EN-US_DV5") == "windows 10 win10 osinfo:win10"


def test_the_evidence_names_those_that_have_the_same_labels(namer):
    found = namer().explain(Media(size=0, volume_id="SSS_X64FREE_EN-US_DV9"))
    assert [other.version for other in found.runners_up] == ["2016", "2019", "2025"]
    assert "same labels" in found.decided


def test_entries_that_share_a_label_are_decided_by_a_look_inside_without_any_rule_for_it(namer):
    shared = [system(f"debian{n}", medium(volume="FOO"), distro="debian", version=f"{n}") for n in (11, 12)]
    look = Inside(".disk/info", "disk Debian GNU/Linux 11.2.0 - Official amd64 DVD")
    assert namer(*shared).identify(Media(size=0, volume_id="FOO"), lambda: look).os_version == "11.2.0"


def test_a_medium_that_is_decided_is_not_looked_into(namer):
    debian = system("debian12", medium(volume=r"Debian 12\.\d"), distro="debian", version="12")

    def look():
        raise AssertionError("looked")

    assert namer(debian).identify(Media(size=0, volume_id="Debian 12.5.0 amd64 n"), look).os_version == "12.5.0"


def test_the_label_says_the_architecture_before_the_entry_does(namer):
    wide = system("foo1", medium("i686", volume="FOO"))
    assert namer(wide).identify(Media(size=0, volume_id="FOO")).os_arch == "i686"
    assert namer(wide).identify(Media(size=0, volume_id="FOO aarch64")).os_arch == "aarch64"


def test_entries_for_several_machines_leave_the_architecture_to_the_boot_record(namer):
    either = system("foo1", medium("i686", volume="FOO"), medium("aarch64", volume="FOO"))
    assert namer(either).identify(Media(size=0, volume_id="FOO", platforms=(0,))).os_arch == "x86_64"


def test_no_label_at_all_is_unknown_and_raises_nothing(namer):
    assert namer().identify(Media(size=0)) == Identity()
