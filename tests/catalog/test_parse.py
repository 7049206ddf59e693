"""A document to a template and back: every rule, and the words in which a broken one is told."""

import json

import pytest

from kimchictl.catalog.fields import KEYS, MAX_MEMORY
from kimchictl.catalog.parse import differences, parse, refuse_new_keys, to_document, unknown_keys
from kimchictl.catalog.records import Disk, Graphics, Network, Topology
from kimchictl.errors import Invalid

FULL = {
    "name": "web",
    "os_distro": "debian",
    "os_version": "12.5.0",
    "os_arch": "x86_64",
    "cdrom": "/srv/iso/debian.iso",
    "mirrors": ["https://mirror.example/debian.iso"],
    "checksum": "sha256:" + "a" * 64,
    "icon": "debian",
    "folder": "linux/servers",
    "description": "two\nlines",
    "memory": 2048,
    "max_memory": 4096,
    "vcpus": 2,
    "max_vcpus": 4,
    "topology": {"sockets": 1, "cores": 2, "threads": 2},
    "disks": [{"size": 10, "format": "raw"}, {"size": 5, "format": "qcow2", "pool": "fast", "bus": "scsi"}],
    "networks": [{"type": "network", "name": "default"}, {"type": "bridge", "name": "br0", "model": "e1000"}],
    "graphics": {"type": "spice", "listen": "::1"},
    "firmware": "uefi",
    "secure_boot": True,
    "tpm": True,
    "cpu": "host-model",
    "machine": "q35",
    "virt_type": "qemu",
    "disk_bus": "virtio",
    "nic_model": "virtio",
    "cloud_init": "/srv/user-data",
    "made": {"by": "scan"},
}


def parsed(**values):
    return parse({"name": "web", **values}, "template 'web'")


def refusal(**values):
    with pytest.raises(Invalid) as caught:
        parsed(**values)
    message = str(caught.value)
    assert message.startswith("template 'web': ") and "\n" not in message
    return message.removeprefix("template 'web': ")


def test_a_document_with_every_key_comes_back_as_it_was():
    assert set(FULL) == set(KEYS)
    assert to_document(parse(FULL, "it")) == FULL


def test_records_are_made_of_what_is_nested():
    template = parse(FULL, "it")
    assert template.disks == (Disk(10, "raw"), Disk(5, "qcow2", "fast", "scsi"))
    assert template.networks == (Network("network", "default"), Network("bridge", "br0", "e1000"))
    assert (template.graphics, template.topology) == (Graphics("spice", "::1"), Topology(1, 2, 2))


def test_only_what_was_given_is_stored_and_cdrom_always():
    assert to_document(parsed()) == {"name": "web", "os_distro": "unknown", "os_version": "unknown", "cdrom": None}


def test_the_order_of_keys_is_the_definitions_order():
    shuffled = dict(reversed(FULL.items()))
    assert list(to_document(parse(shuffled, "it"))) == list(KEYS)


def test_a_bare_text_is_the_name_of_a_network():
    assert parsed(networks=["default"]).networks == (Network("network", "default"),)


def test_no_disks_and_no_networks_are_not_the_same_as_nothing_said():
    assert to_document(parsed(disks=[], networks=[]))["disks"] == []
    assert parsed().disks is None


def test_path_is_read_as_cdrom():
    assert parsed(path="/a.iso").cdrom == "/a.iso"
    assert "differ" in refusal(path="/a.iso", cdrom="/b.iso")


def test_provenance_counts_in_no_comparison():
    assert parsed(made={"by": "scan"}) == parsed(made={"by": "clone"})
    assert "made" not in to_document(parse(FULL, "it"), provenance=False)


def test_unknown_keys_of_a_file_stay_wherever_they_are():
    document = {**to_document(parsed()), "disks": [{"size": 1, "serial": "x"}], "site": {"rack": 4}}
    assert to_document(parse(document, "it")) == document
    assert unknown_keys(document) == {"site", "disks.serial"}


def test_computed_marks_are_dropped():
    document = {"name": "web", "problems": ["image missing"], "origin": "site", "disks": [{"index": 0, "size": 1}]}
    assert to_document(parse(document, "it"))["disks"] == [{"size": 1}]
    assert parse(document, "it").extra == {}


def test_a_new_unknown_key_is_refused_by_name_and_an_old_one_is_not():
    refuse_new_keys({"name": "web", "foo": 1}, {"name": "web", "foo": 2}, "it")
    with pytest.raises(Invalid, match="unknown key 'memmory'") as caught:
        refuse_new_keys({"name": "web", "memmory": 1}, {"name": "web"}, "it")
    assert caught.value.hint == "did you mean 'memory'?"


def test_differences_leave_provenance_out():
    new = {**FULL, "memory": 4096, "made": {"by": "edit"}, "icon": None}
    assert differences(FULL, new) == [("icon", "debian", None), ("memory", 2048, 4096)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"memory": 511}, "memory 511 MiB is below the minimum of 512 MiB"),
        ({"memory": 0}, "memory 0 MiB is below"),
        ({"memory": -1}, "memory -1 MiB is below"),
        ({"memory": MAX_MEMORY + 1}, f"memory {MAX_MEMORY + 1} MiB is above the maximum of {MAX_MEMORY} MiB"),
        ({"memory": "2048"}, "memory '2048' must be a whole number of MiB"),
        ({"memory": 2048.0}, "memory 2048.0 must be a whole number"),
        ({"memory": True}, "memory true must be a whole number"),
        ({"memory": None}, "memory null must be a whole number"),
        ({"memory": 10**4000}, "memory (a number of 13288 bits) MiB is above"),
        ({"memory": [2048]}, "memory (a list) must be"),
        ({"memory": 4096, "max_memory": 2048}, "memory 4096 MiB is above max_memory 2048 MiB"),
        ({"vcpus": 0}, "vcpus 0 is below the minimum of 1"),
        ({"vcpus": 3, "max_vcpus": 2}, "vcpus 3 is above max_vcpus 2"),
        ({"topology": {"sockets": 1, "cores": 2, "threads": 2}, "max_vcpus": 3}, "max_vcpus 3 is not the product"),
        ({"topology": {"sockets": 1, "cores": 2, "threads": 2}, "vcpus": 3}, "vcpus 3 is not a multiple"),
        ({"topology": {"sockets": 1, "cores": 1, "threads": 2}, "vcpus": 4}, "vcpus 4 is above max_vcpus 2"),
        ({"topology": {"sockets": 99, "cores": 99, "threads": 99}}, "topology 970299 is above the maximum of 1024"),
        ({"topology": {"sockets": 0}}, "topology.sockets 0 is below"),
        ({"disks": {}}, "disks (an object) must be a list"),
        ({"disks": [{"size": 1}, {"size": 0}]}, "disks[1].size 0 GiB is below the minimum of 1 GiB"),
        ({"disks": [{"size": 1 << 30}]}, "disks[0].size 1073741824 GiB is above the maximum of 1048576 GiB"),
        ({"disks": [{"format": "cow"}]}, "disks[0].format 'cow' must be one of qcow2, raw, vmdk, qcow, qed, vpc"),
        ({"disks": [{"base": "/b", "format": "raw"}]}, "disks[0].format 'raw' cannot be backed"),
        ({"disks": [{"bus": "floppy"}]}, "disks[0].bus 'floppy' must be one of virtio"),
        ({"disks": ["20G"]}, "disks[0] '20G' must be an object"),
        ({"networks": [{"type": "user", "name": "x"}]}, "networks[0].name 'x' cannot be given with type user"),
        ({"networks": [{"type": "bridge"}]}, "networks[0] 'name' is missing: which bridge?"),
        ({"graphics": {"type": "sdl"}}, "graphics.type 'sdl' must be one of vnc, spice, none"),
        ({"graphics": {"listen": "localhost"}}, "graphics.listen 'localhost' must be a literal"),
        ({"graphics": {"type": "none", "listen": "::1"}}, "graphics.listen '::1' cannot be given with type none"),
        ({"firmware": "bios", "secure_boot": True}, "secure_boot true needs firmware uefi, and firmware is bios"),
        ({"machine": "pc", "secure_boot": True}, "secure_boot true needs machine q35"),
        ({"machine": "q35", "disks": [{"bus": "ide"}]}, "disks[0].bus 'ide' is no bus of machine q35"),
        ({"tpm": 1}, "tpm 1 must be true or false"),
        ({"virt_type": "xen"}, "virt_type 'xen' must be one of auto, kvm, qemu"),
        ({"cdrom": "foo"}, "cdrom 'foo' must be an absolute path"),
        ({"cdrom": "gopher://x/y"}, "cdrom 'gopher://x/y' must be"),
        ({"cdrom": "https://me:secret@host/a.iso"}, "without a password"),
        ({"cdrom": "http://host:70000/a.iso"}, "cdrom 'http://host:70000/a.iso' must be"),
        ({"cdrom": ""}, "cdrom '' is blank"),
        ({"cdrom": "/a\x1b[31m.iso"}, "control characters"),
        ({"cdrom": "/a\udcff.iso"}, "control characters or is not UTF-8"),
        ({"checksum": "md5:00"}, "checksum 'md5:00' must be sha256:HEX"),
        ({"folder": "a/../b"}, "folder 'a/../b' must be"),
        ({"mirrors": ["/local"]}, "mirrors[0] '/local' must be a URL"),
        ({"made": "me"}, "made 'me' must be an object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_rule_is_told_with_key_value_and_limit(values, told):
    assert told in refusal(**values)


@pytest.mark.parametrize(
    "name", ["", "   ", " lead", "trail ", "-dash", "a\nb", "a\x00b", "é" * 101, "x" * 201, "\udcff", 5, None]
)
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(Invalid, match="name"):
        parse({"name": name}, "it")


@pytest.mark.parametrize("name", ["in side", "kīмсhīTmpl", "a/b", "..", ".hidden", "é" * 100, "x" * 200, "a%2Fb"])
def test_a_name_may_hold_anything_a_person_would_write(name):
    assert parse({"name": name}, "it").name == name


@pytest.mark.parametrize(
    "cdrom",
    [
        "/srv/a b/ünï.iso",
        "pool:default/a.iso",
        "http://host/a.iso",
        "https://[::1]:8443/a?b=c",
        "ftp://host",
        "ftps://h/x",
    ],
)
def test_every_kind_of_source_is_taken(cdrom):
    assert parsed(cdrom=cdrom).cdrom == cdrom


@pytest.mark.parametrize("document", [None, [], "text", 5, {}, {"os_distro": "debian"}])
def test_what_is_no_template_at_all_is_refused(document):
    with pytest.raises(Invalid):
        parse(document, "it")


def test_a_refusal_of_a_huge_text_stays_one_short_line():
    assert len(refusal(icon="x" * 100_000)) < 200


def test_the_address_of_a_display_is_kept_in_its_usual_form():
    assert parsed(graphics={"listen": "0:0:0:0:0:0:0:1"}).graphics == Graphics("vnc", "::1")


def test_what_is_stored_is_json():
    assert json.loads(json.dumps(to_document(parse(FULL, "it")))) == FULL
