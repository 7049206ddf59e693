import os
import select

import pytest

from kimchictl.media.scan.mounts import Mounts, answers
from lab.fuse import DeadDirectory, needs_fuse

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


@needs_fuse
def test_what_waits_for_a_dead_server_is_left_behind_and_holds_no_file_of_ours(tmp_path):
    ours, written = os.pipe()
    with DeadDirectory(tmp_path / "dead") as dead:
        assert not answers(lambda: os.listdir(dead.path), 0.2)
        os.close(written)
        assert select.select([ours], [], [], 10)[0], "somebody still has the other end open"
        dead.revive()
    os.close(ours)
