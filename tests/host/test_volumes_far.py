"""The volumes of a host far away, over ssh: sent, replaced, copied and brought back with nothing but libvirt there."""

import os
import struct

import pytest

MIB = 1 << 20
THERE = "/var/lib/libvirt/images/p"  # the private host's own: this machine has other files at the same path


@pytest.fixture
def far(host, kimchi, ssh, monkeypatch):
    """The directory, as seen from here, of the active pool `p` of the host that is meant."""
    (host.root / "lib/images/p").mkdir(exist_ok=True)
    monkeypatch.setenv("KIMCHICTL_CONNECT", ssh)
    kimchi("pool", "create", "p", "--path", THERE, "--start", status=0)
    yield host.root / "lib/images/p"
    for name in os.listdir(host.root / "lib/images/p"):
        (host.root / "lib/images/p" / name).unlink()


def test_a_volume_goes_there_in_the_place_of_another_and_comes_back(far, kimchi, tmp_path):
    (tmp_path / "one").write_bytes(os.urandom(MIB + 1))
    os.truncate(tmp_path / "one", 3 * MIB)
    (far / "v").write_bytes(b"old")
    (far / "v").chmod(0o640)
    os.chown(far / "v", 1234, 1235)
    kimchi("volume", "upload", "p", tmp_path / "one", "--name", "v", status=2)
    kimchi("volume", "upload", "p", tmp_path / "one", "--name", "v", "--yes", status=0)
    after = os.stat(far / "v")
    assert (after.st_uid, after.st_gid, after.st_mode & 0o7777) == (1234, 1235, 0o640)
    assert (far / "v").read_bytes() == (tmp_path / "one").read_bytes() and os.listdir(far) == ["v"]
    kimchi("volume", "clone", "p", "v", "w", status=0)
    kimchi("volume", "download", "p", "w", tmp_path / "back", status=0)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "one").read_bytes()
    assert os.stat(tmp_path / "back").st_blocks * 512 <= 2 * MIB


def test_a_header_is_read_there(far, kimchi):
    """The data of this image would be in a file of the host."""
    data_file = b"/etc/shadow".ljust(16, b"\0")
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, 0, 0, 16, 1 << 30, 0).ljust(72, b"\0")
    header += struct.pack(">QQQII", 4, 0, 0, 4, 104) + struct.pack(">II", 0x44415441, 11) + data_file
    (far / "evil").write_bytes(header.ljust(MIB, b"\0"))
    assert "keeps its data in '/etc/shadow'" in kimchi("volume", "clone", "p", "evil", status=4).err
    assert os.listdir(far) == ["evil"]
