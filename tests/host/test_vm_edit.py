"""VMs changed: their definition, and the running guest where that can be."""

import os
import re
import stat

import libvirt
import pytest

from lab.images import make_image

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def web(host, kimchi, tmp_path):
    """A VM with room to grow; its connection."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--max-memory", "1G", "--vcpus", "1", "--max-vcpus", "2", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "none", "--network", "none", *small, status=0)
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    connection = libvirt.open(host.uri)
    yield connection
    connection.close()


def xml(connection, live=False):
    flags = libvirt.VIR_DOMAIN_XML_SECURE | (0 if live else libvirt.VIR_DOMAIN_XML_INACTIVE)
    return connection.lookupByName("web").XMLDesc(flags)


def test_a_stopped_vm_takes_every_change_and_starts(web, kimchi):
    display = ("--graphics", "spice", "--boot", "network,cdrom", "--boot-menu")
    size = ("--memory", "2G", "--max-memory", "2G", "--topology", "1,2,2", "--vcpus", "3")
    kimchi("vm", "edit", "web", *size, *display, "--title", "a <b> & ü", "--description", "two\nlines", status=0)
    kimchi("vm", "start", "web", status=0)
    shown = kimchi("vm", "show", "web", "-o", "json", status=0).json
    assert (shown["memory"], shown["vcpus"], shown["max_vcpus"]) == (2 << 30, 3, 4)
    assert (shown["title"], shown["description"], shown["graphics"]["type"]) == ("a <b> & ü", "two\nlines", "spice")
    assert "<boot dev='network'/>\n    <boot dev='cdrom'/>\n    <bootmenu enable='yes'/>" in xml(web)


def test_a_running_vm_takes_what_it_can_at_once(web, kimchi):
    kimchi("vm", "start", "web", status=0)
    said = kimchi("vm", "edit", "web", "--memory", "600M", "--title", "now", "--autostart", status=0).err
    assert "was asked to have 600 MiB" in said  # it has no system that would
    for live in (True, False):
        assert "<title>now</title>" in xml(web, live)
    assert "<currentMemory unit='KiB'>614400</currentMemory>" in xml(web)
    assert web.lookupByName("web").autostart() == 1


def test_what_a_running_vm_cannot_take_is_refused_with_what_would_be_possible(web, kimchi):
    kimchi("vm", "start", "web", status=0)
    before = xml(web)
    assert "1024 MiB" in kimchi("vm", "edit", "web", "--memory", "2G", status=4).err
    assert "2 vcpus" in kimchi("vm", "edit", "web", "--vcpus", "3", status=4).err
    assert "--next-start" in kimchi("vm", "edit", "web", "--boot", "hd", status=4).err
    assert xml(web) == before
    assert "next start" in kimchi("vm", "edit", "web", "--boot", "hd", "--next-start", status=0).err
    assert xml(web) != before


def test_the_vcpus_that_a_vm_started_with_stay_while_it_runs(web, kimchi):
    kimchi("vm", "edit", "web", "--vcpus", "2", status=0)
    kimchi("vm", "start", "web", status=0)
    before = xml(web)
    refused = kimchi("vm", "edit", "web", "--vcpus", "1", "--title", "new", status=4).err
    assert "started with" in refused and "--next-start" in refused and xml(web) == before


def test_a_dry_run_shows_the_difference_and_changes_nothing(web, kimchi):
    before = xml(web)
    shown = kimchi("vm", "edit", "web", "--vcpus", "2", "--firmware", "uefi", "--name", "db", "--dry-run", status=0).out
    assert '-  <vcpu placement="static" current="1">2</vcpu>' in shown and '+  <os firmware="efi">' in shown
    assert xml(web) == before
    assert kimchi("vm", "edit", "web", "--vcpus", "2", "-o", "json", "--dry-run", status=0).json["diff"]


def test_an_nvram_that_is_left_is_named(web, kimchi):
    kimchi("vm", "edit", "web", "--firmware", "uefi", status=0)
    kimchi("vm", "start", "web", status=0)
    (path,) = re.findall("<nvram.*>(.+)</nvram>", xml(web, live=True))
    kimchi("vm", "stop", "web", "--force", status=0)
    assert f"its NVRAM stays as {path}," in kimchi("vm", "edit", "web", "--firmware", "bios", status=0).err
    assert "NVRAM" not in kimchi("vm", "edit", "web", "--title", "x", status=0).err


def test_a_renamed_vm_takes_its_nvram_along(web, kimchi, host):
    kimchi("vm", "edit", "web", "--firmware", "uefi", status=0)
    kimchi("vm", "start", "web", status=0)
    kimchi("vm", "stop", "web", "--force", status=0)
    nvram = host.root / "lib/qemu/nvram"
    variables = bytearray((nvram / "web_VARS.fd").read_bytes())
    variables[-1] ^= 1
    (nvram / "web_VARS.fd").write_bytes(variables)
    kimchi("vm", "edit", "web", "--name", "db", status=0)
    assert [path.name for path in nvram.iterdir()] == ["db_VARS.fd"]
    assert (nvram / "db_VARS.fd").read_bytes() == variables


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--memory", "0"), "memory 0 MiB is too little"),
        (("--memory", "2T", "--max-memory", "2T"), "MiB of the host"),
        (("--max-memory", "900000G"), "max_memory 921600000 MiB is above the"),
        (("--vcpus", "2000", "--max-vcpus", "2000"), "vcpus 2000 is above the maximum of 1024"),
    ],
)
def test_what_no_vm_could_have_is_refused(web, kimchi, options, said):
    before = xml(web)
    assert said in kimchi("vm", "edit", "web", *options, "--dry-run", status=4).err
    assert said in kimchi("vm", "edit", "web", *options, status=4).err
    assert xml(web) == before


@pytest.mark.parametrize(
    "options",
    [
        ("--memory", "4G"),
        ("--vcpus", "9"),
        ("--boot", "moon"),
        ("--secure-boot",),
        ("--memory", "4G", "--max-vcpus", "0"),
    ],
)
def test_contradictions_change_nothing(web, kimchi, options):
    before = xml(web)
    assert kimchi("vm", "edit", "web", *options).status in (2, 4)
    assert xml(web) == before


def test_a_display_for_others_needs_a_password(web, kimchi):
    assert "--insecure" in kimchi("vm", "edit", "web", "--graphics", "vnc,0.0.0.0", status=2).err
    reading, writing = os.pipe()
    os.write(writing, b"geheim\n")
    os.close(writing)
    listen = ("--graphics", "vnc,0.0.0.0", "--display-password-fd", reading)
    assert "geheim" not in kimchi("vm", "edit", "web", *listen, "--next-start", status=0).err
    os.close(reading)
    assert "passwd='geheim'" in xml(web)
    kimchi("vm", "edit", "web", "--graphics", ",::", "--title", "the password stays", status=0)
    assert "passwd='geheim'" in xml(web)


def test_of_two_displays_the_one_that_is_named_changes(web, kimchi):
    both = "<graphics type='vnc' port='5999' keymap='de'/><graphics type='spice' autoport='yes' passwd='geheim'/>"
    web.defineXML(re.sub("<graphics.*?</graphics>", both, xml(web), flags=re.S))
    spice = re.search("<graphics type='spice'.*?</graphics>", xml(web), re.S)[0]
    kimchi("vm", "edit", "web", "--graphics", "vnc,127.0.0.2", status=0)
    assert "<graphics type='vnc' port='5999' autoport='no' listen='127.0.0.2' keymap='de'>" in xml(web)
    assert spice in xml(web)
    kimchi("vm", "edit", "web", "--graphics", "spice,0.0.0.0", status=0)  # it has a password, the other has none
    assert xml(web).count("<graphics") == 2 and "listen='0.0.0.0' passwd='geheim'" in xml(web)


def test_saved_memory_keeps_a_vm_from_another_name_until_it_is_dropped(web, kimchi, host):
    kimchi("vm", "start", "web", status=0)
    host.run(["virsh", "managedsave", "web"])
    assert "vm edit web --drop-saved" in kimchi("vm", "edit", "web", "--name", "db", status=4).err
    both = ("vm", "edit", "web", "--drop-saved", "--name", "db")
    assert "would be dropped" in kimchi(*both, "--dry-run", status=0).err
    kimchi(*both, "--max-memory", "1", "--memory", "2G", status=4)
    assert web.lookupByName("web").hasManagedSaveImage(0)
    assert "its saved memory dropped" in kimchi(*both, "--title", "x", status=0).err
    assert not web.lookupByName("db").hasManagedSaveImage(0)
    assert "has no saved memory" in kimchi("vm", "edit", "db", "--drop-saved", status=0).err


def test_where_saved_memory_does_not_go_on_a_start_says_how_to_do_without(web, kimchi, host, tmp_path):
    kimchi("vm", "start", "web", status=0)
    host.run(["virsh", "managedsave", "web"])
    (tmp_path / "deb.iso").unlink()
    assert "vm edit web --drop-saved" in kimchi("vm", "start", "web").err


def test_the_xml_is_edited_by_hand_and_validated(web, kimchi, tmp_path, monkeypatch):
    editor = tmp_path / "editor"
    monkeypatch.setenv("EDITOR", str(editor))

    def edit(expression, status):
        editor.write_text(f"#!/bin/sh\nsed -i '{expression}' \"$1\"\n")
        editor.chmod(stat.S_IRWXU)
        return kimchi("vm", "edit", "web", "--xml", status=status)

    edit("s/<on_crash>destroy/<on_crash>restart/", 0)
    assert "<on_crash>restart" in xml(web)
    before = xml(web)
    edit("s/<on_crash>restart/<on_crash>explode/", 4)
    edit("s/<name>web/<name>db/", 4)
    edit("s/<domain/<domian/", 4)
    assert "unchanged" in edit("s/x/x/", 0).err and xml(web) == before


def test_a_vm_of_another_tool_keeps_what_kimchictl_does_not_know(host, kimchi):
    connection = libvirt.open(host.uri)
    connection.defineXML(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web</name>"
        "<metadata><a:b xmlns:a='urn:x'>kept</a:b></metadata><memory unit='MiB'>64</memory>"
        "<os><type>hvm</type></os><qemu:commandline><qemu:arg value='-S'/></qemu:commandline></domain>"
    )
    kimchi("vm", "edit", "web", "--memory", "512M", "--graphics", "vnc", status=0)
    said = xml(connection)
    assert "urn:x" in said and "<a:b>kept</a:b>" in said and "<qemu:arg value='-S'/>" in said
    assert "<memory unit='KiB'>524288</memory>" in said
    connection.close()
