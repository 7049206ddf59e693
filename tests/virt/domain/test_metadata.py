"""What a domain notes about its origin, for us and for other tools."""

import pytest

from kimchictl.virt import xml
from kimchictl.virt.domain.metadata import Origin, add_metadata, osinfo_id, read_metadata


@pytest.mark.parametrize(
    ("distro", "version", "identifier"),
    [
        ("debian", "12.5.0", "http://debian.org/debian/12"),
        ("ubuntu", "24.04.1", "http://ubuntu.com/ubuntu/24.04"),
        ("fedora", "41", "http://fedoraproject.org/fedora/41"),
        ("centos", "7.9", "http://centos.org/centos/7.0"),
        ("centos", "stream9", "http://centos.org/centos-stream/9"),
        ("rhel", "9.4", "http://redhat.com/rhel/9.4"),
        ("opensuse", "tumbleweed", "http://opensuse.org/opensuse/tumbleweed"),
        ("arch", "rolling", "http://archlinux.org/archlinux/rolling"),
        ("windows", "11", "http://microsoft.com/win/11"),
        ("windows", "2022", "http://microsoft.com/win/2k22"),
        ("unknown", "unknown", None),
        ("debian", "unknown", None),
    ],
)
def test_other_tools_find_the_id_that_libosinfo_gives_the_system(distro, version, identifier):
    assert osinfo_id(distro, version) == identifier


def test_what_is_noted_is_read_again():
    domain, origin = xml.Element("domain"), Origin("kīмсhīTmpl <&>", "debian", "12.5.0", "x86_64")
    add_metadata(domain, origin)
    assert read_metadata(xml.parse(xml.serialize(domain), "it")) == origin


@pytest.mark.parametrize(
    ("identifier", "system"),
    [
        ("http://debian.org/debian/12", ("debian", "12")),
        ("http://microsoft.com/win/2k22", ("windows", "2022")),
        ("http://microsoft.com/win/11", ("windows", "11")),
        ("http://archlinux.org/archlinux/rolling", ("arch", "rolling")),
        ("nonsense", (None, None)),
    ],
)
def test_the_system_of_a_vm_that_another_tool_made_is_told_by_libosinfo_s_note(identifier, system):
    domain = xml.parse(
        "<domain><metadata><l:libosinfo xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'>"
        f"<l:os id='{identifier}'/></l:libosinfo></metadata></domain>",
        "it",
    )
    assert read_metadata(domain) == Origin(None, *system)
