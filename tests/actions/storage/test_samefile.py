"""One name for one file, by whatever path."""

import os
import subprocess

import pytest

from kimchictl.actions.storage.samefile import name_of
from lab.mounts import can_mount


def test_links_of_both_kinds_lead_to_one_file_and_what_is_not_there_has_its_real_path(tmp_path):
    (tmp_path / "disk").write_bytes(b"x")
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "directory").symlink_to(".")
    os.link(tmp_path / "disk", tmp_path / "hard")
    called = ("disk", "link", "hard", "directory/disk", "directory/link")
    assert len({name_of(str(tmp_path / each)) for each in called}) == 1
    assert name_of(str(tmp_path / "directory/gone")) == str(tmp_path / "gone")
    assert name_of("/a\0b") == "/a\0b"


@pytest.mark.skipif(not can_mount(), reason="nothing can be mounted here")
def test_a_bind_mount_leads_to_the_same_file(tmp_path):
    for name in ("pool", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "pool/disk").write_bytes(b"x")
    subprocess.run(["mount", "--bind", tmp_path / "pool", tmp_path / "elsewhere"], check=True)
    try:
        assert name_of(str(tmp_path / "pool/disk")) == name_of(str(tmp_path / "elsewhere/disk"))
    finally:
        subprocess.run(["umount", tmp_path / "elsewhere"], check=True)
