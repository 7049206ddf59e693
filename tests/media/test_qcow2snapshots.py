"""What snapshots a qcow2 image holds."""

import shutil
import struct
import subprocess

import pytest

from kimchictl.errors import Damaged
from kimchictl.media.qcow2snapshots import snapshot_names
from kimchictl.media.source import open_source


def names(path):
    with open_source(str(path)) as source:
        return snapshot_names(source)


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_all_are_named_in_the_order_of_their_table(tmp_path):
    path = tmp_path / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True)
    assert names(path) == []
    for name in ("a", "ü <1>", "long" * 30, "a"):
        subprocess.run(["qemu-img", "snapshot", "-c", name, path], check=True)
    assert names(path) == ["a", "ü <1>", "long" * 30, "a"]


@pytest.mark.parametrize("count", [1, 70000, 0xFFFFFFFF])
def test_a_table_that_is_not_there_is_damage(tmp_path, count):
    header = b"QFI\xfb".ljust(60, b"\0") + struct.pack(">IQ", count, 1 << 40)
    (tmp_path / "a").write_bytes(header)
    with pytest.raises(Damaged):
        names(tmp_path / "a")
