"""Virtual networks on a real libvirtd, and what a VM says that needs one which is off."""

import libvirt

from lab.images import make_image

OTHER = "<network><name>b r</name><bridge name='kimbr1'/><ip address='10.9.8.1' netmask='255.255.255.0'/></network>"


def listed(kimchi, *argv):
    return kimchi(*argv, "-o", "json", status=0).json


def test_networks_start_and_stop_and_say_so_when_they_did_already(host, kimchi):
    connection = libvirt.open(host.uri)
    connection.networkDefineXML(OTHER)
    connection.close()
    names = {each["name"]: (each["state"], each["addresses"]) for each in listed(kimchi, "network", "list")}
    assert names == {"default": ("inactive", ["192.168.122.1/24"]), "b r": ("inactive", ["10.9.8.1/24"])}
    kimchi("network", "start", "b r", "default", status=0)
    assert "already active" in kimchi("network", "start", "b r", status=0).err
    assert listed(kimchi, "network", "show", "b r")["active"] is True
    kimchi("network", "stop", "b r", status=0)
    assert "already inactive" in kimchi("network", "stop", "b r", status=0).err
    kimchi("network", "start", "nosuch", status=3)


def test_a_transient_network_is_gone_when_it_is_stopped(host, kimchi):
    connection = libvirt.open(host.uri)
    connection.networkCreateXML(OTHER)
    connection.close()
    (found,) = listed(kimchi, "network", "list", "--filter", "persistent=false")
    assert (found["name"], found["active"], found["forward"]) == ("b r", True, None)
    assert "it was transient, and is gone" in kimchi("network", "stop", "b r", status=0).err
    kimchi("network", "start", "b r", status=3)


def test_a_vm_whose_network_is_off_names_the_command_that_starts_it(host, kimchi, tmp_path):
    kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
    image = make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--virt-type", "qemu", "--network", "default")
    kimchi("template", "create", "deb", "--cdrom", image, *small, "--disk", "size=1G", status=0)
    assert "kimchictl network start default" in kimchi("vm", "create", "web", "--template", "deb", status=4).err
    kimchi("network", "start", "default", status=0)
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    kimchi("network", "stop", "default", status=0)
    assert "hint: kimchictl network start default" in kimchi("vm", "start", "web").err
