"""Snapshots of VMs, running and off."""

import libvirt
import pytest

from lab.images import make_image

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def create(active_pool, kimchi, tmp_path):
    """Makes the VM `web` with these options."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)
    return lambda *options: kimchi("vm", "create", "web", "--template", "deb", *options, status=0)


def listed(kimchi, *keys):
    found = kimchi("vm", "snapshot", "list", "web", "-o", "json", status=0).json
    return [tuple(each[key] for key in keys) if len(keys) > 1 else each[keys[0]] for each in found]


@pytest.mark.parametrize("options", [(), ("--start",), ("--firmware", "uefi")], ids=["off", "running", "uefi"])
def test_a_snapshot_is_taken_gone_back_to_and_deleted(create, kimchi, options):
    create(*options)
    state = kimchi("vm", "show", "web", "-o", "json").json["state"]
    kimchi("vm", "snapshot", "create", "web", "ü <1> & 'x'", "--description", "a\nb", status=0)
    kimchi("vm", "edit", "web", "--title", "changed since", status=0)
    kimchi("vm", "snapshot", "revert", "web", "ü <1> & 'x'", "--yes", status=0)
    shown = kimchi("vm", "show", "web", "-o", "json").json
    assert (shown["state"], shown["title"]) == (state, None)
    assert listed(kimchi, "name", "description", "current") == [("ü <1> & 'x'", "a\nb", True)]
    kimchi("vm", "snapshot", "delete", "web", "ü <1> & 'x'", "--yes", status=0)
    assert listed(kimchi, "name") == []


def test_the_tree_shows_what_descends_from_what(create, kimchi):
    create()
    for name in ("a", "b"):
        kimchi("vm", "snapshot", "create", "web", name, status=0)
    kimchi("vm", "snapshot", "revert", "web", "a", "--yes", status=0)
    kimchi("vm", "snapshot", "create", "web", status=0)
    assert listed(kimchi, "tree", "parent") == [("a", None), ("  b", "a"), ("  snapshot-1", "a")]
    assert kimchi("vm", "snapshot", "current", "web", "-o", "name", status=0).out == "snapshot-1\n"
    assert kimchi("vm", "snapshot", "show", "web", "b", "-o", "json", status=0).json["state"] == "shutoff"
    kimchi("vm", "snapshot", "delete", "web", "a", "--children", "--yes", status=0)
    assert listed(kimchi, "name") == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--disk", "size=1G,format=raw"), "raw"),
        (("--disk", "none"), "no disk"),
        (("--firmware", "uefi", "--start"), "UEFI"),
    ],
    ids=["raw", "no disk", "running uefi"],
)
def test_what_cannot_have_one_is_refused_with_the_reason(create, kimchi, options, reason):
    create(*options)
    assert reason in kimchi("vm", "snapshot", "create", "web", status=4).err
    assert listed(kimchi, "name") == []


def test_names_and_consent_are_asked_for(create, kimchi):
    create()
    kimchi("vm", "snapshot", "create", "web", "a", status=0)
    kimchi("vm", "snapshot", "create", "web", "a", status=4)
    kimchi("vm", "snapshot", "create", "web", "../x", status=4)
    kimchi("vm", "snapshot", "revert", "web", "a", status=2)
    kimchi("vm", "snapshot", "delete", "web", "a", status=2)
    kimchi("vm", "snapshot", "revert", "web", "b", "--yes", status=3)
    kimchi("vm", "snapshot", "delete", "web", "b", "--yes", "--missing-ok", status=0)
    assert listed(kimchi, "name") == ["a"]


def test_an_external_one_of_another_tool_is_listed_and_not_gone_back_to(create, kimchi, host, active_pool):
    create()
    connection = libvirt.open(host.uri)
    disk = f"<disk name='vda' snapshot='external'><source file='{active_pool}/over'/></disk>"
    document = f"<domainsnapshot><name>e</name><disks>{disk}</disks></domainsnapshot>"
    connection.lookupByName("web").snapshotCreateXML(document, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    old = connection.getLibVersion() < 9_009_000
    connection.close()
    assert listed(kimchi, "name", "kind", "disks") == [("e", "external", ["vda"])]
    if old:
        assert "9.9" in kimchi("vm", "snapshot", "revert", "web", "e", "--yes", status=4).err
