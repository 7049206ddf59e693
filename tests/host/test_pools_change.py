"""Pools changed, deleted with and without what is in them, and refused while something uses them."""

import os
import shlex
import threading

import libvirt
import pytest

from lab.images import make_image


@pytest.fixture
def pool(host, kimchi, tmp_path):
    """The directory of an active pool `p`."""
    kimchi("pool", "create", "p", "--path", tmp_path / "p", "--start", status=0)
    return tmp_path / "p"


def listed(kimchi, *argv):
    return kimchi(*argv, "-o", "json", status=0).json


def test_a_pool_of_each_type_is_defined_and_one_that_cannot_start_is_not_left_behind(host, kimchi, tmp_path):
    far = ("--source-host", "127.0.0.1:9")
    kimchi("pool", "create", "net", "--type", "netfs", "--path", tmp_path / "n", *far, "--source-path", "/e", status=0)
    kimchi("pool", "create", "vg", "--type", "logical", "--source-name", "no-such-group", status=0)
    kimchi("pool", "create", "fs", "--type", "fs", "--path", tmp_path / "f", "--source-dev", "/dev/nosuch", status=0)
    found = {each["name"]: (each["type"], each["state"]) for each in listed(kimchi, "pool", "list")}
    assert found == {"net": ("netfs", "inactive"), "vg": ("logical", "inactive"), "fs": ("fs", "inactive")}
    failed = kimchi("pool", "create", "x", "--type", "logical", "--source-name", "no-such-group", "--start")
    assert failed.status in (1, 4) and len(listed(kimchi, "pool", "list")) == 3


def test_an_option_that_a_type_does_not_know_is_named(host, kimchi, tmp_path):
    words = ("pool", "create", "p", "--path", tmp_path / "p", "--source-host", "h")
    assert "--source-host" in kimchi(*words, status=4).err
    assert "--path" in kimchi("pool", "create", "p", status=2).err


def test_where_an_inactive_pool_lies_can_be_changed(pool, kimchi, tmp_path):
    assert "pool stop" in kimchi("pool", "edit", "p", "--path", tmp_path / "q", status=4).err
    kimchi("pool", "stop", "p", status=0)
    (tmp_path / "q").mkdir()
    kimchi("pool", "edit", "p", "--path", tmp_path / "q", "--no-autostart", status=0)
    kimchi("pool", "start", "p", status=0)
    shown = listed(kimchi, "pool", "show", "p")
    assert (shown["path"], shown["autostart"]) == (str(tmp_path / "q"), False)


def defined(host, name="p"):
    connection = libvirt.open(host.uri)
    try:
        return connection.storagePoolLookupByName(name).XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
    finally:
        connection.close()


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Makes $EDITOR a sed with these expressions."""

    def by_sed(*expressions):
        monkeypatch.setenv("EDITOR", shlex.join(["sed", "-i", *(word for one in expressions for word in ("-e", one))]))

    return by_sed


def test_the_xml_of_a_pool_is_edited_by_hand(pool, kimchi, host, editor):
    editor("s|/p</path>|/else</path>|")
    assert "pool stop" in kimchi("pool", "edit", "p", status=4).err
    kimchi("pool", "stop", "p", status=0)
    before = defined(host)
    shown = kimchi("pool", "edit", "p", "--dry-run", status=0).out
    assert f"-    <path>{pool}</path>" in shown and f"+    <path>{pool.parent}/else</path>" in shown
    assert defined(host) == before
    kimchi("pool", "edit", "p", status=0)
    assert defined(host).partition("<source>")[2] == before.replace("/p<", "/else<").partition("<source>")[2]
    editor("")
    assert "is unchanged" in kimchi("pool", "edit", "p", status=0).err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("s/<target>/<target/", "not XML"),
        ("s/type=.dir./type='moon'/", "schema does not allow it: "),
        ("s|<target>|<target><nonsense/>|", "schema does not allow it: "),
        ("s|<name>p|<name>q|", "its name cannot be changed"),
        ("s|<uuid>.|<uuid>|", "its uuid cannot be changed"),
        ("s|pool|domain|", "but <domain>"),
    ],
)
def test_xml_that_is_no_definition_of_this_pool_changes_nothing(pool, kimchi, host, editor, change, said):
    kimchi("pool", "stop", "p", status=0)
    before = defined(host)
    editor(change)
    assert said in kimchi("pool", "edit", "p", status=4).err
    assert defined(host) == before


def test_options_have_a_dry_run_too(pool, kimchi, host, tmp_path):
    kimchi("pool", "stop", "p", status=0)
    before = defined(host)
    words = ("pool", "edit", "p", "--path", tmp_path / "q", "--no-autostart", "--dry-run")
    assert f"+    <path>{tmp_path}/q</path>" in kimchi(*words, status=0).out
    assert "/q</path>" in kimchi(*words, "-o", "json", status=0).json["diff"]
    assert defined(host) == before and listed(kimchi, "pool", "show", "p")["autostart"] is True


def test_a_transient_pool_is_told_from_one_that_stays(host, kimchi, tmp_path):
    (tmp_path / "t").mkdir()
    connection = libvirt.open(host.uri)
    connection.storagePoolCreateXML(f"<pool type='dir'><name>t</name><target><path>{tmp_path}/t</path></target></pool>")
    connection.close()
    (tmp_path / "t/v").write_bytes(b"x")
    shown = listed(kimchi, "pool", "show", "t")
    assert (shown["persistent"], shown["autostart"], shown["volumes"]) == (False, False, 1)
    assert "transient" in kimchi("pool", "edit", "t", "--path", tmp_path, status=4).err
    assert "transient" in kimchi("pool", "delete", "t", status=4).err
    said = kimchi("pool", "delete", "t", "--with-contents", "--yes", status=0).err
    assert f"its directory stays: {tmp_path}/t" in said
    assert os.listdir(tmp_path / "t") == [] and listed(kimchi, "pool", "list") == []


def test_a_transient_pool_that_is_stopped_is_said_to_be_gone(host, kimchi, tmp_path):
    (tmp_path / "t").mkdir()
    connection = libvirt.open(host.uri)
    connection.storagePoolCreateXML(f"<pool type='dir'><name>t</name><target><path>{tmp_path}/t</path></target></pool>")
    connection.close()
    assert "it was transient, and is gone" in kimchi("pool", "stop", "t", status=0).err


def test_a_pool_that_a_template_or_a_vm_uses_is_not_deleted(pool, kimchi, tmp_path, host):
    image = make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G,pool=p", status=0)
    assert listed(kimchi, "pool", "show", "p")["used_by"] == ["deb"]
    assert "deb" in kimchi("pool", "delete", "p", "--with-contents", "--yes", status=4).err
    kimchi("pool", "stop", "p", status=0)
    assert "deb" in kimchi("pool", "delete", "p", status=4).err
    kimchi("template", "delete", "deb", status=0)
    kimchi("pool", "delete", "p", status=0)
    assert pool.is_dir()


def test_a_pool_goes_with_its_contents_only_after_the_bill(pool, kimchi):
    make_image(pool / "a.iso", "Debian 12.5.0 amd64 n")
    kimchi("volume", "create", "p", "d.qcow2", "--size", "1G", status=0)
    asked = kimchi("pool", "delete", "p", "--with-contents", status=2)
    assert "a.iso" in asked.err and "d.qcow2" in asked.err and "2 volumes" in asked.err
    kimchi("pool", "delete", "p", "--with-contents", "--yes", status=0)
    assert not pool.exists() and listed(kimchi, "pool", "list") == []


def test_what_libvirt_cannot_delete_stays_and_so_does_the_pool(pool, kimchi):
    (pool / "good").write_bytes(b"x")
    os.mkfifo(pool / "fifo")
    kimchi("pool", "delete", "p", "--with-contents", "--yes", status=1)
    assert os.listdir(pool) == ["fifo"]
    assert [each["state"] for each in listed(kimchi, "pool", "list")] == ["inactive"]


def test_a_pool_name_with_blanks_and_other_scripts_is_one_like_any(host, kimchi, tmp_path):
    name = "kīмсhī storage-pool 0"
    kimchi("pool", "create", name, "--path", tmp_path / "a b", "--start", status=0)
    assert listed(kimchi, "pool", "show", name)["active"] is True
    kimchi("volume", "create", name, "a b.qcow2", "--size", "1G", status=0)
    kimchi("pool", "stop", name, status=0)
    kimchi("pool", "delete", name, status=0)
    kimchi("pool", "delete", name, status=3)


def test_a_pool_that_is_listed_while_a_volume_is_written_is_busy_and_stays(pool, kimchi, host):
    (pool / "big").write_bytes(os.urandom(64 << 20))
    listed(kimchi, "pool", "list")
    done = threading.Event()

    def clone():
        connection = libvirt.open(host.uri)
        there = connection.storagePoolLookupByName("p")
        document = "<volume><name>copy</name><capacity>67108864</capacity></volume>"
        for _ in range(5):
            there.createXMLFrom(document, there.storageVolLookupByName("big"), 0).delete()
        done.set()

    thread = threading.Thread(target=clone)
    thread.start()
    states = []
    while not done.is_set():
        states += [(each["active"], each["error"]) for each in listed(kimchi, "pool", "list")]
    thread.join()
    assert {active for active, _ in states} == {True}
    assert {error for _, error in states} <= {None, "busy: a volume is being written"}
