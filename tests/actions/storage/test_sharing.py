"""Storage that other hosts can reach, where nobody can tell from here who uses a volume."""

import libvirt
import pytest

from kimchictl.actions.storage.sharing import reaches_far
from kimchictl.media.scan.mounts import Mounts, parse_mountinfo

POOL = "<pool type='rbd'><name>ceph</name><source><host name='mon1'/><name>vms</name></source></pool>"
VOLUME = "<volume><name>old</name><capacity>1048576</capacity></volume>"
TABLE = b"""21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:40 / /mnt/nas rw - nfs4 nas:/export rw
23 21 8:17 / /mnt/san rw - ocfs2 /dev/sdb1 rw
24 21 0:41 / /mnt/ram rw - tmpfs none rw
"""


def test_an_orphan_on_a_server_is_marked_as_another_host_may_use_it(kimchi):
    connection = libvirt.open("test:///default")
    connection.storagePoolDefineXML(POOL).create()
    connection.storagePoolLookupByName("ceph").createXML(VOLUME)
    done = kimchi("volume", "orphans", "ceph", "-c", "test:///default", status=0)
    assert "another host may use this" in done.out and "pool 'ceph' is on a server" in done.err
    (found,) = kimchi("volume", "orphans", "ceph", "-o", "json", "-c", "test:///default", status=0).json
    assert found["shared"] is True
    connection.close()


@pytest.mark.parametrize(
    ("directory", "far"), [("/mnt/nas/a/b", True), ("/mnt/san", True), ("/mnt/ram/x", False), ("/var/lib", False)]
)
def test_a_directory_of_a_file_server_or_a_cluster_is_shared(directory, far):
    assert reaches_far(directory, Mounts(parse_mountinfo(TABLE))) is far
