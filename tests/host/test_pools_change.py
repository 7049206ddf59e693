"""Pools changed, deleted with and without what is in them, and refused while something uses them."""

import os
import shlex
import signal
import subprocess
import threading

import libvirt
import pytest

from lab.images import make_image


def listed(kimchi, *argv):
    return kimchi(*argv, "-o", "json", status=0).json


def test_a_pool_of_each_type_is_defined_and_one_that_cannot_start_is_not_left_behind(host, kimchi, tmp_path):
    far = ("--source-host", "127.0.0.1:9")
    kimchi("pool", "create", "net", "--type", "netfs", "--path", tmp_path / "n", *far, "--source-path", "/e", status=0)
    kimchi("pool", "create", "vg", "--type", "logical", "--source-name", "no-such-group", status=0)
    kimchi("pool", "create", "fs", "--type", "fs", "--path", tmp_path / "f", "--source-dev", "/dev/nosuch", status=0)
    target = ("--source-host", "192.0.2.1:3260", "--source-dev", "iqn.2013-06.example:disks")
    kimchi("pool", "create", "san", "--type", "iscsi", *target, "--auth-user", "me", "--secret-usage", "san", status=0)
    found = {(each["name"], each["type"], each["state"]) for each in listed(kimchi, "pool", "list")}
    names = (("net", "netfs"), ("vg", "logical"), ("fs", "fs"), ("san", "iscsi"))
    assert found == {(*name, "inactive") for name in names}
    assert kimchi("pool", "create", "x", "--type", "logical", "--source-name", "no-such", "--start").status in (1, 4)
    assert len(listed(kimchi, "pool", "list")) == 4


def test_a_pool_that_is_made_when_that_is_interrupted_stays(host, kimchi, tmp_path, monkeypatch):
    start = libvirt.virStoragePool.create
    monkeypatch.setattr(
        libvirt.virStoragePool, "create", lambda *given: (start(*given), os.kill(os.getpid(), signal.SIGINT))
    )
    kimchi("pool", "create", "p", "--path", tmp_path / "p", "--start", status=130)
    made = kimchi("pool", "show", "p", "-o", "json", status=0).json
    assert (made["active"], made["persistent"], made["autostart"]) == (True, True, True)


def test_where_a_pool_is_no_other_is_made(pool, kimchi):
    said = kimchi("pool", "create", "q", "--path", pool, status=4).err
    assert "another pool is there already" in said and "'p'" in said
    kimchi("pool", "create", "q", "--path", pool.parent / "q", status=0)
    assert "another pool is there already" in kimchi("pool", "edit", "q", "--path", pool, status=4).err


def test_what_the_host_lacks_for_a_type_is_named(host, kimchi):
    ceph = kimchi("pool", "create", "ceph", "--type", "rbd", "--source-host", "mon1:6789", "--source-name", "vms")
    assert ceph.status == 0 or "a package like libvirt-daemon-driver-storage-rbd" in ceph.err


def test_an_option_that_a_type_does_not_know_is_named(host, kimchi, tmp_path):
    words = ("pool", "create", "p", "--path", tmp_path / "p", "--source-host", "h")
    assert "--source-host" in kimchi(*words, status=4).err
    assert "--path" in kimchi("pool", "create", "p", status=2).err


def test_a_pool_at_what_is_no_directory_is_neither_made_nor_moved_there(pool, kimchi, tmp_path):
    (tmp_path / "file").write_text("")
    assert "no directory" in kimchi("pool", "create", "q", "--path", tmp_path / "file", status=4).err
    kimchi("pool", "stop", "p", status=0)
    assert "no directory" in kimchi("pool", "edit", "p", "--path", tmp_path / "file", status=4).err


def test_where_a_pool_s_directory_is_gone_that_is_what_each_verb_says(pool, kimchi):
    kimchi("volume", "create", "p", "v", "--size", "1G", status=0)
    away = pool.rename(f"{pool}.away")
    for words in (("create", "p", "w", "--size", "1G"), ("resize", "p", "v", "2G"), ("delete", "p", "v", "--yes")):
        refused = kimchi("volume", *words, status=4).err
        assert f"pool 'p' cannot be used: {pool}: No such file" in refused and f"make or mount {pool}" in refused
    kimchi("pool", "stop", "p", status=0)
    assert f"make or mount {pool}" in kimchi("pool", "start", "p", status=1).err
    away.rename(pool)
    kimchi("pool", "start", "p", status=0)


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


def test_what_uses_a_pool_is_known_whatever_its_directory_is_called(pool, kimchi, tmp_path, host):
    (tmp_path / "link").symlink_to(pool)
    kimchi("pool", "create", "q", "--path", tmp_path / "link", "--start", status=0)
    make_image(pool / "a.iso", "Debian 12.5.0 amd64 n")
    kimchi("template", "create", "deb", "--cdrom", tmp_path / "link/a.iso", status=0)
    kimchi("volume", "create", "q", "d.qcow2", "--size", "1G", status=0)
    disk = f"<disk type='file'><source file='{tmp_path}/link/d.qcow2'/><target dev='vda'/></disk>"
    connection = libvirt.open(host.uri)
    guest = f"<domain type='qemu'><name>web</name><memory>1</memory><os><type>hvm</type></os><devices>{disk}</devices>"
    connection.defineXML(f"{guest}</domain>")
    connection.close()
    assert [each["used_by"] for each in listed(kimchi, "pool", "list")] == [["deb", "web"]] * 2
    for name in ("p", "q"):
        assert "template 'deb', vm 'web'" in kimchi("pool", "delete", name, "--with-contents", "--yes", status=4).err
    found = {each["name"]: each["used_by"] for each in listed(kimchi, "volume", "list", "q")}
    assert found == {"a.iso": ["deb"], "d.qcow2": ["web"]}


def test_what_backs_a_volume_of_another_pool_is_known_whatever_its_directory_is_called(pool, kimchi, tmp_path):
    for name in ("real", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("link", "other"):
        kimchi("pool", "create", name, "--path", tmp_path / name, "--start", status=0)
    kimchi("volume", "create", "link", "base", "--size", "1M", "--format", "raw", status=0)
    above = ("-b", tmp_path / "real/base", "-F", "raw", tmp_path / "other/child")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *above], check=True)
    said = kimchi("pool", "delete", "link", "--with-contents", "--yes", status=4).err
    assert "which backs pool:other/child" in said and (tmp_path / "real/base").exists()


def test_what_came_into_a_pool_after_the_bill_does_not_go_with_it(pool, kimchi, monkeypatch):
    kimchi("volume", "create", "p", "d.qcow2", "--size", "1G", status=0)
    (pool / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    monkeypatch.setattr("kimchictl.app.App.confirm", lambda *_: (pool / "new").write_bytes(b"x"))
    assert "has changed meanwhile" in kimchi("pool", "delete", "p", "--with-contents", "--yes", status=4).err
    assert len(os.listdir(pool)) == 3


def test_a_volume_that_cannot_be_named_on_the_bill_stays(pool, kimchi):
    for name in (b"good", b"caf\xe9"):
        (pool / os.fsdecode(name)).write_bytes(b"x")
    said = kimchi("pool", "delete", "p", "--with-contents", "--yes", status=1).err
    assert said.count("not UTF-8: 1") == 1 and "its directory stays" in said
    assert os.listdir(os.fsencode(pool)) == [b"caf\xe9"]


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
