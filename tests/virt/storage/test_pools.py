"""Pools and volumes on the test driver, and the care that is taken of real ones."""

import os

import pytest

from kimchictl.errors import Exists, Invalid, NotFound, WrongState
from kimchictl.progress import Progress
from kimchictl.virt.storage import poolchange, poolcontents, pools, volumes
from kimchictl.virt.storage.poolcontents import local_volumes
from kimchictl.virt.storage.poolrefresh import unreachable
from kimchictl.virt.storage.poolxml import PoolPlan
from kimchictl.virt.storage.volumexml import volume_xml

POOL = "kīмсhī-storagepool-0"


@pytest.fixture
def pool(host, tmp_path):
    poolchange.create_pool(host, POOL, PoolPlan(str(tmp_path)), start=True, autostart=True)
    return POOL


class Noted(Progress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


def test_a_new_pool_is_inactive_persistent_and_starts_with_the_host(host, tmp_path):
    poolchange.create_pool(host, POOL, PoolPlan(str(tmp_path)), start=False, autostart=True)
    made = pools.show_pool(host, POOL)
    assert (made.state, made.active, made.volumes) == ("inactive", False, 0)
    assert made.persistent and made.autostart


def test_the_same_pool_again_is_refused(host, pool, tmp_path):
    with pytest.raises(Exists, match=POOL):
        poolchange.create_pool(host, POOL, PoolPlan(str(tmp_path)), start=False, autostart=True)


def test_a_pool_starts_stops_and_goes(host, pool):
    assert (poolchange.stop_pool(host, POOL), poolchange.stop_pool(host, POOL)) == (True, False)
    assert (poolchange.start_pool(host, POOL), poolchange.start_pool(host, POOL)) == (True, False)
    poolchange.stop_pool(host, POOL)
    poolchange.delete_pool(host, POOL)
    with pytest.raises(NotFound, match=POOL):
        pools.show_pool(host, POOL)


def test_an_active_pool_is_not_deleted(host, pool):
    with pytest.raises(WrongState, match="is active"):
        poolchange.delete_pool(host, POOL)


def test_inactive_pools_are_noted_and_the_others_read(host, pool):
    poolchange.stop_pool(host, POOL)
    progress = Noted()
    assert [each.name for each in poolcontents.active_pools(host, progress)] == ["default-pool"]
    assert len(progress.notes) == 1 and POOL in progress.notes[0]


def test_a_volume_is_made_found_by_its_path_and_deleted(host, pool):
    made = volumes.create_volume(host, POOL, "a b.qcow2", 10 << 30, "qcow2")
    assert (made.capacity, made.format) == (10 << 30, "qcow2")
    assert volumes.find_by_path(host, made.path) == made
    volumes.delete_volume(host, POOL, "a b.qcow2")
    assert volumes.list_volumes(host, POOL) == []


def test_a_volume_of_that_name_is_refused(host, pool):
    volumes.create_volume(host, POOL, "x", 1 << 20, "raw")
    with pytest.raises(Exists, match="'x'"):
        volumes.create_volume(host, POOL, "x", 1 << 20, "raw")


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\nb", "x" * 256])
def test_a_volume_name_that_is_none_is_refused(host, pool, name):
    with pytest.raises(Invalid):
        volumes.create_volume(host, POOL, name, 1 << 20, "raw")


def test_an_inactive_pool_has_no_volumes_to_list(host, pool):
    poolchange.stop_pool(host, POOL)
    with pytest.raises(WrongState, match="is inactive"):
        volumes.list_volumes(host, POOL)


def test_a_raw_volume_is_sparse_and_a_backed_one_names_its_base():
    assert '<allocation unit="bytes">0</allocation>' in volume_xml("v", 1 << 30, "raw")
    backed = volume_xml("v", 1 << 30, "qcow2", "/base", "qcow2")
    assert "<path>/base</path>" in backed and backed.count('<format type="qcow2" />') == 2


def test_a_directory_that_is_not_there_is_unreachable(tmp_path):
    assert unreachable(str(tmp_path), 5) is None
    assert unreachable(str(tmp_path / "gone"), 5) == f"{tmp_path}/gone: No such file or directory"


def test_a_directory_that_does_not_answer_is_given_up(tmp_path):
    assert unreachable(str(tmp_path), 0) == f"{tmp_path} does not answer"


def test_only_what_libvirt_could_be_asked_for_is_a_volume(tmp_path):
    for name in (b"good.iso", b"line\nbreak.iso", b"caf\xe9.iso"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo.iso")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link.iso").symlink_to("good.iso")
    (tmp_path / "broken.iso").symlink_to("nowhere")
    assert [name for name, _path in local_volumes(str(tmp_path))] == ["good.iso", "line\nbreak.iso", "link.iso"]
