"""What a VM differs in from its template."""

import libvirt
import pytest

from lab.images import make_image


@pytest.fixture
def web(active_pool, kimchi, tmp_path):
    """A VM `web` of the template `deb`."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "2", "--network", "default", "--virt-type", "qemu", "--disk", "size=1G")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    kimchi("vm", "create", "web", "--template", "deb", status=0)


def differs(kimchi, *options, status=0):
    found = kimchi("vm", "diff", "web", "-o", "json", *options, status=status).json
    return {each["key"]: (each["template"], each["vm"]) for each in found}


def test_a_new_vm_is_as_its_template(web, kimchi):
    assert differs(kimchi, "--detailed-exitcode") == {}
    assert kimchi("vm", "show", "web", "-o", "json", status=0).json["drift"] == []


def test_what_was_changed_is_named(web, kimchi):
    kimchi("vm", "edit", "web", "--memory", "600M", "--vcpus", "1", "--graphics", "none", status=0)
    kimchi("vm", "disk", "resize", "web", "vda", "3G", status=0)
    kimchi("vm", "disk", "attach", "web", "--size", "2G", status=0)
    kimchi("vm", "cdrom", "eject", "web", status=0)
    kimchi("vm", "nic", "attach", "web", "user", status=0)
    found = differs(kimchi, "--detailed-exitcode", status=10)
    assert "memory" in kimchi("vm", "show", "web", "-o", "json", status=0).json["drift"]
    assert found["memory"] == (512, 600) and found["vcpus"] == (2, 1) and found["graphics"][1] == "none"
    assert found["disks[0]"] == ("1 GiB qcow2", "3 GiB qcow2") and found["disks[1]"] == (None, "2 GiB qcow2")
    assert found["cdrom"][1] is None and found["networks"] == (["network=default"], ["network=default", "user"])


def test_a_disk_upon_an_image_is_as_large_as_that_or_as_the_template_says(web, active_pool, kimchi):
    kimchi("volume", "create", "default", "cloud.qcow2", "--size", "3G", status=0)
    small = ("--network", "none", "--virt-type", "qemu", "--os-distro", "debian", "--os-version", "12")
    kimchi("template", "create", "cloud", "--image", active_pool / "cloud.qcow2", *small, status=0)
    kimchi("vm", "delete", "web", "--yes", status=0)
    kimchi("vm", "create", "web", "--template", "cloud", status=0)
    assert differs(kimchi) == {}
    kimchi("template", "edit", "cloud", "--disk", "0,size=2G", "--firmware", "uefi", "--secure-boot", status=0)
    assert differs(kimchi) == {"firmware": ("uefi", "bios"), "secure_boot": (True, False)}
    kimchi("vm", "disk", "resize", "web", "vda", "5G", status=0)
    assert differs(kimchi)["disks[0]"] == ("3 GiB qcow2", "5 GiB qcow2")


def test_a_vm_of_no_template_is_compared_with_one_that_is_named(host, kimchi, web):
    connection = libvirt.open(host.uri)
    connection.defineXML(
        "<domain type='qemu'><name>foreign</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
    )
    connection.close()
    assert "--template" in kimchi("vm", "diff", "foreign", status=4).err
    said = kimchi("vm", "diff", "foreign", "--template", "deb", status=0).out
    assert "512 MiB" in said and "64 MiB" in said
    kimchi("template", "delete", "deb", status=0)
    kimchi("vm", "diff", "web", status=3)
