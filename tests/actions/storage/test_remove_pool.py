"""Who uses a pool that is no directory, and what may go with it: on the test driver, which has pools of every type."""

import libvirt
import pytest

HERE = ("-c", "test:///default")

POOL = """
<pool type='rbd'><name>ceph</name>
  <source><host name='mon1'/><name>vms</name></source>
</pool>"""

GUEST = """
<domain type='test'><name>web</name><memory>1</memory><os><type>hvm</type></os>
  <devices>
    <disk type='network'>
      <source protocol='rbd' name='{}'><host name='mon1' port='6789'/></source><target dev='vda'/>
    </disk>
  </devices>
</domain>"""


@pytest.fixture
def ceph():
    """A connection, on which the pool `ceph` is active."""
    connection = libvirt.open("test:///default")
    connection.storagePoolDefineXML(POOL).create()
    yield connection
    connection.close()


def test_a_vm_uses_the_ceph_pool_that_its_disk_is_in(ceph, kimchi):
    ceph.defineXML(GUEST.format("vms/disk"))
    assert kimchi("pool", "show", "ceph", "-o", "json", *HERE, status=0).json["used_by"] == ["web"]
    for more in ((), ("--with-contents", "--yes")):
        assert "in use by vm 'web'" in kimchi("pool", "delete", "ceph", *more, *HERE, status=4).err


def test_a_disk_in_another_ceph_pool_is_none_of_this_one(ceph, kimchi):
    ceph.defineXML(GUEST.format("vms2/vms/disk"))
    assert kimchi("pool", "show", "ceph", "-o", "json", *HERE, status=0).json["used_by"] == []
