import os

import pytest

from kimchictl.media.scan.mounts import Mounts

PROC = "63 43 0:39 / /proc rw,relatime - proc proc rw\n"


def test_in_a_chroot_whose_root_no_table_lists_its_kind_is_asked_for(tmp_path):
    root = Mounts.read().covering(b"/")
    if not root.stamped:
        pytest.skip(f"the root of this machine is {root.kind}")
    (tmp_path / "mountinfo").write_text(PROC)
    table = Mounts.read(str(tmp_path / "mountinfo"))
    assert table.covering(os.fsencode(tmp_path)).stamped
    assert table.covering(b"/proc/self").virtual


def test_without_a_table_nothing_is_trusted(tmp_path):
    assert not Mounts.read(str(tmp_path / "none")).covering(b"/").local
