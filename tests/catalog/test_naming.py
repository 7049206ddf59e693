"""Names for what has none."""

import pytest

from kimchictl.catalog.naming import clone_name, free_name, slug, system_name
from kimchictl.media.records import Identity


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (Identity("debian", "12", "x86_64", edition="netinst"), "debian-12"),
        (Identity("debian", "12.5.0", "x86_64", "debian12", edition="netinst"), "debian-12"),
        (Identity("debian", "7.0"), "debian-7"),
        (Identity("ubuntu", "24.04.1", "x86_64", edition="server"), "ubuntu-24.04-server"),
        (Identity("ubuntu", "14.04", "i686"), "ubuntu-14.04"),
        (Identity("windows", "11", "x86_64", "win11"), "windows-11"),
        (Identity("windows", "2008r2"), "windows-2008r2"),
        (Identity("rhel", "6.4"), "rhel-6.4"),
        (Identity("almalinux", "9.4", "x86_64", "almalinux9", edition="dvd"), "almalinux-9"),
        (Identity("arch", "unknown"), "arch"),
        (Identity("debian", "12", "aarch64"), "debian-12-aarch64"),
        (Identity("opensuse", "Tumbleweed"), "opensuse-tumbleweed"),
    ],
)
def test_a_template_is_called_after_its_system(identity, name):
    assert system_name(identity, "LABEL", "/a/file.iso") == name


@pytest.mark.parametrize(
    ("label", "location", "name"),
    [
        ("FOO 1", "/a/file.iso", "foo-1"),
        ("ISOIMAGE", "/a/grub-rescue-cdrom.iso", "grub-rescue-cdrom"),
        ("", "https://host/dl/memtest86+x64.ISO?x=1", "memtest86+x64"),
        ("", "pool:default/tools.img", "tools"),
        ("CDROM", "/a/v1.2", "v1.2"),
        ("Médiathèque", "/a/b.iso", "médiathèque"),
        ("", "/a/-.iso", "unknown"),
        ("../../etc", "/a/b.iso", "etc"),
        ("\x1b[31m", "/a/b.iso", "31m"),
    ],
)
def test_an_unknown_system_is_called_after_its_label_or_its_file(label, location, name):
    assert system_name(Identity(), label, location) == name


def test_a_clash_is_numbered_from_2():
    assert free_name("debian-12", ()) == "debian-12"
    assert free_name("debian-12", {"debian-12", "debian-12-2"}) == "debian-12-3"


def test_clones_are_numbered_from_1():
    assert clone_name("web", {"web"}) == "web-clone1"
    assert clone_name("web", {"web", "web-clone1"}) == "web-clone2"


def test_a_derived_name_is_no_longer_than_a_name_may_be():
    name = clone_name("é" * 100, ())
    assert len(name.encode()) <= 200
    assert name.endswith("é-clone1")


def test_a_slug_is_bounded():
    assert len(slug("é" * 500).encode()) <= 60
