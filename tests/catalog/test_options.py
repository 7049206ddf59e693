"""What is typed after options, and how it changes a template."""

import pytest

from kimchictl.catalog import options
from kimchictl.catalog.merge import merge
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import parse
from kimchictl.catalog.records import Disk, Graphics, Network
from kimchictl.errors import Invalid, KimchiError, UsageError


def template(**values):
    return parse({"name": "web", **values}, "it")


def merged(given, **changes):
    return merge(given, Changes(**changes), "template 'web'")


@pytest.mark.parametrize(("text", "mebibytes"), [("2G", 2048), ("512M", 512), ("2048", 2048), (" 1.5GiB ", 1536)])
def test_memory_is_mebibytes(text, mebibytes):
    assert options.memory(text) == mebibytes


@pytest.mark.parametrize("text", ["two", "   ", "", "-1", "2GB", "1023K", "0x10", "½G"])
def test_what_is_no_size_of_memory_is_refused_naming_the_option(text):
    with pytest.raises(UsageError, match="--memory"):
        options.memory(text)


@pytest.mark.parametrize("text", ["", "two", "1.5", "9" * 30, "٣"])
def test_what_is_no_number_is_refused_naming_the_option(text):
    with pytest.raises(UsageError, match="--vcpus"):
        options.number(text, "--vcpus")


def test_a_disk_is_keys_and_values():
    (change,) = options.disks(("size=20G,format=qcow2,pool=default,bus=virtio",))
    assert change.index is None
    assert change.values == {"size": 20, "format": "qcow2", "pool": "default", "bus": "virtio"}


def test_a_bare_size_of_a_disk_is_gibibytes():
    assert options.disks(("size=20",))[0].values == {"size": 20}


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("foo=1",), "no key 'foo'"),
        (("20G",), "is not key=value"),
        (("",), "is not key=value"),
        (("size=1,size=2",), "'size' twice"),
        (("size=1.5G",), "not a whole number of GiB"),
        (("size=20GB",), "ambiguous"),
        (("0,size=1", "size=2"), "not both at once"),
        (("none", "size=2"), "stands alone"),
    ],
)
def test_a_disk_that_cannot_be_read_is_refused(texts, told):
    with pytest.raises(KimchiError, match=told):
        options.disks(texts)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("default", {"type": "network", "name": "default"}),
        ("network=lan", {"type": "network", "name": "lan"}),
        ("bridge=br0", {"type": "bridge", "name": "br0"}),
        ("user", {"type": "user"}),
        ("bridge=br0,model=e1000", {"type": "bridge", "name": "br0", "model": "e1000"}),
    ],
)
def test_the_forms_of_a_network(text, fragment):
    assert options.network(text) == fragment


def test_a_network_of_another_type_is_refused():
    with pytest.raises(UsageError, match="unknown type 'tap'"):
        options.network("tap=x")


@pytest.mark.parametrize("text", ["1,2,3", "sockets=1,cores=2,threads=3", " 1 , 2 , 3 "])
def test_the_forms_of_a_topology(text):
    assert options.topology(text) == {"sockets": 1, "cores": 2, "threads": 3}


@pytest.mark.parametrize("text", ["", "1,2", "1,2,3,4", "a,b,c", "cores=x"])
def test_what_is_no_topology_is_refused(text):
    with pytest.raises(KimchiError):
        options.topology(text)


def test_only_what_is_named_changes():
    before = template(memory=1024, max_memory=3072, vcpus=2, icon="a")
    after = merged(before, values={"memory": 2048})
    assert after == parse({"name": "web", "memory": 2048, "max_memory": 3072, "vcpus": 2, "icon": "a"}, "it")


def test_a_key_can_be_taken_away():
    assert merged(template(icon="a"), values={"icon": None}).icon is None


def test_disks_without_an_index_replace_all_of_them():
    before = template(disks=[{"size": 1}, {"size": 2}])
    assert merged(before, disks=options.disks(("size=5",))).disks == (Disk(5),)


def test_a_disk_with_an_index_changes_that_one_and_only_what_it_names():
    before = template(disks=[{"size": 1, "pool": "a"}, {"size": 2, "format": "raw"}])
    after = merged(before, disks=options.disks(("1,size=40G", "0,pool=")))
    assert after.disks == (Disk(1), Disk(40, "raw"))


def test_the_disk_that_a_silent_template_has_by_default_is_number_0():
    assert merged(template(), disks=options.disks(("0,size=40",))).disks == (Disk(40),)


def test_a_disk_that_is_not_there_is_refused():
    with pytest.raises(Invalid, match="has no disk 2: the last is 1"):
        merged(template(disks=[{"size": 1}, {"size": 2}]), disks=options.disks(("2,size=40",)))


def test_no_disks_is_possible():
    assert merged(template(disks=[{"size": 1}]), disks=options.disks(("none",))).disks == ()


def test_networks_replace_all_and_keep_their_order():
    after = merged(template(networks=["a"]), values={"networks": options.networks(("b", "bridge=br0", "user"))})
    assert after.networks == (Network("network", "b"), Network("bridge", "br0"), Network("user"))


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("spice", Graphics("spice", "10.0.0.1")),
        (",::1", Graphics("vnc", "::1")),
        ("spice,127.0.0.1", Graphics("spice", "127.0.0.1")),
        ("none", Graphics("none")),
    ],
)
def test_graphics_merge(text, display):
    before = template(graphics={"type": "vnc", "listen": "10.0.0.1"})
    assert merged(before, graphics=options.graphics(text)).graphics == display


def test_what_a_change_breaks_is_told_with_both_numbers():
    with pytest.raises(Invalid, match="template 'web': memory 4096 MiB is above max_memory 2048 MiB"):
        merged(template(max_memory=2048), values={"memory": 4096})


def test_unknown_keys_outlive_a_change():
    before = parse({"name": "web", "site": 1, "disks": [{"size": 1, "serial": "x"}]}, "it")
    after = merged(before, disks=options.disks(("0,size=3",)))
    assert (after.extra, after.disks[0].extra) == ({"site": 1}, {"serial": "x"})
