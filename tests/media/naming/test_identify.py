"""An image is named by its labels."""

import pytest

from kimchictl.media.naming.identify import identify
from kimchictl.media.records import Identity, Media

# Acceptance case ISO-01: one volume id each of the systems that an archive of installers holds.
ARCHIVE = """
openbsd 5.4     OpenBSD/i386    5.4 Install CD
centos 6.4      CentOS_6.4_Final
windows 2000    W2AFPP
windows xp      WXPFPP
windows 2003    ARMECHK
windows 2003r2  CRMEFPP
windows 2008    KRTMSVOL
windows 2008r2  GRMSXVOL
windows vista   FB1EVOL
windows 7       GRMCULFRER
windows 8       HB1_CCPA_X86FRE
sles 10         SLES10
sles 11         SUSE_SLES-11-0-0
opensuse 12.1   openSUSE-DVD-x86_640039
opensuse 12.3   openSUSE-12.3
rhel 4.8        RHEL/4-U8
rhel 6.4        RHEL_6.4
debian 7.0      Debian 7.0
ubuntu 14.04    Ubuntu 14.04
fedora 19       Fedora 19
fedora 17       Fedora 17
ubuntu 12.04    Ubuntu 12.04
"""


@pytest.mark.parametrize("line", ARCHIVE.strip().splitlines())
def test_a_volume_id_alone_names_the_classic_installers(line):
    distro, version, label = line.split(None, 2)
    found = identify(Media(size=0, volume_id=label))
    assert (found.os_distro, found.os_version) == (distro, version)


@pytest.mark.parametrize("label", ["FOO 1", "", "cidata", "virtio-win-0.1.240", "Ubuntu backup", "DEBIAN BACKUP 2023"])
def test_what_nothing_names_is_unknown(label):
    found = identify(Media(size=0, volume_id=label))
    assert (found.os_distro, found.os_version, found.identified_by) == ("unknown", "unknown", None)


def test_the_architecture_comes_from_another_label_where_the_volume_id_has_none():
    assert identify(Media(size=0, volume_id="RHEL_6.4", application_id="RHEL_6.4 i386")).os_arch == "i686"


def test_the_architecture_comes_from_the_boot_record_at_last():
    assert identify(Media(size=0, volume_id="FOO", platforms=(0, 0xEF))).os_arch == "x86_64"


def test_an_empty_medium_is_an_unknown_one():
    assert identify(Media(size=0)) == Identity()
