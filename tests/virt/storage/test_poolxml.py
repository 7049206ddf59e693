"""The definition of every type of pool: compared with golden files, and taken by libvirt's own schema and parser.

WRITE_GOLDEN=1 writes the files anew; look at the difference before committing it.
"""

import os
from pathlib import Path

import libvirt
import pytest

from kimchictl.errors import Invalid
from kimchictl.virt.storage.poolxml import PoolPlan, changed_xml, pool_xml

GOLDEN = Path(__file__).parent / "golden_pools"

SECRET = {"secret_uuid": "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"}
CHAP = {"user": "kimchi", "secret_usage": "iscsi"}
CEPH = {"user": "kimchi", **SECRET}

KINDS = {
    "dir": PoolPlan("/srv/iso & más"),
    "fs": PoolPlan("/mnt/disk", devices=("/dev/sdb1",), source_format="ext4"),
    "netfs": PoolPlan("/mnt/nas", hosts=("nas.example",), source_path="/export"),
    "logical": PoolPlan(source_name="vg0"),
    "iscsi": PoolPlan(hosts=("[2001:db8::1]:3260",), devices=("iqn.2013-06.example:disks",), **CHAP),
    "rbd": PoolPlan(hosts=("mon1:6789", "mon2"), source_name="vms", **CEPH),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_is_the_golden_one_and_libvirt_takes_it(kind, driver):
    document = pool_xml("pöol", kind, KINDS[kind])
    golden = GOLDEN / f"{kind}.xml"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(document)
    assert document == golden.read_text()
    driver.storagePoolDefineXML(document, libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE).undefine()


@pytest.mark.parametrize(
    ("kind", "plan", "said"),
    [
        ("dir", PoolPlan(), "needs --path"),
        ("dir", PoolPlan("/p", hosts=("h",)), "knows no --source-host"),
        ("dir", PoolPlan("p"), "not an absolute path"),
        ("dir", PoolPlan("/p\nq"), "line break"),
        ("netfs", PoolPlan("/p", hosts=("h",)), "needs --source-path"),
        ("netfs", PoolPlan("/p", hosts=("a", "b"), source_path="/e"), "has one --source-host"),
        ("iscsi", PoolPlan(hosts=("h:x",), devices=("iqn",)), "no host"),
        ("iscsi", PoolPlan(hosts=("h",), devices=("iqn",), user="u"), "--secret-uuid"),
        ("rbd", PoolPlan(hosts=("h",), source_name="p", **SECRET), "--auth-user"),
        ("rbd", PoolPlan("/p", hosts=("h",), source_name="p"), "knows no --path"),
    ],
)
def test_what_a_type_lacks_or_does_not_know_is_named(kind, plan, said):
    with pytest.raises(Invalid, match=said):
        pool_xml("p", kind, plan)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", "ü" * 124])
def test_a_name_that_libvirt_cannot_keep_is_refused(name):
    with pytest.raises(Invalid, match="pool n"):
        pool_xml(name, "dir", PoolPlan("/p"))


@pytest.mark.parametrize("name", ["ü" * 123, "-p", "..", " a b ", "kīмсhī [bold]"])
def test_an_unusual_name_is_one_that_libvirt_keeps(name, driver):
    driver.storagePoolDefineXML(pool_xml(name, "dir", PoolPlan("/p")), 1)
    assert driver.storagePoolLookupByName(name).name() == name


def test_a_change_leaves_all_else_as_it_is():
    before = pool_xml("p", "netfs", KINDS["netfs"])
    after = changed_xml(before, "p", PoolPlan(hosts=("other:2049",)))
    assert after == before.replace(
        '<host name="nas.example" />\n    <dir path="/export" />', '<dir path="/export" />'
    ).replace('<format type="nfs" />', '<format type="nfs" />\n    <host name="other" port="2049" />')
    assert "<path>/else</path>" in changed_xml(before, "p", PoolPlan("/else"))


def test_what_only_libvirt_knows_of_stays_as_it_is():
    """`mount_opts`: a namespace of its own, which kimchictl has no option for."""
    spaces = "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'"
    options = "<fs:mount_opts><fs:option name='nodev'/></fs:mount_opts>"
    before = f"<pool type='netfs' {spaces}><name>p</name><source/>{options}</pool>"
    after = changed_xml(before, "p", PoolPlan(hosts=("h",)))
    assert '<fs:option name="nodev" />' in after and '<host name="h" />' in after


def test_a_pool_of_a_type_that_is_not_known_is_left_alone():
    with pytest.raises(Invalid, match="'gluster', whose options are not known"):
        changed_xml("<pool type='gluster'><name>g</name></pool>", "g", PoolPlan("/p"))
