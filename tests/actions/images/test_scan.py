"""Deep scans of small real trees, and rescans that must see every change and read nothing else."""

import errno
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kimchictl import files
from kimchictl.actions.images.far_tree import FarTreeSurvey
from kimchictl.actions.images.scan import ScanOptions, ScanResult, deep_scan
from kimchictl.actions.images.surveys import TreeSurvey, place_name
from kimchictl.errors import Failed, Locked, NotFound
from kimchictl.media.scan import counted, pairwalk, stamps
from kimchictl.media.scan.index import Index
from kimchictl.media.scan.mounts import Mounts
from kimchictl.media.scan.walk import Counters
from kimchictl.progress import SILENT
from kimchictl.virt.connection import open_host
from lab.images import make_image, relabel

Scan = Callable[..., ScanResult]


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour later by the clock: what was just made is old enough to be believed."""
    really, really_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: really() + 3600)
    monkeypatch.setattr(time, "time_ns", lambda: really_ns() + 3600 * 10**9)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index([str(tmp_path / "state")], 0.2)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/sub/deep").mkdir(parents=True)
    make_image(tmp_path / "tree/ubuntu.iso", "Ubuntu-Server 12.04 LTS amd64")
    make_image(tmp_path / "tree/sub/debian.iso", "Debian 12.5.0 amd64 n")
    return tmp_path / "tree"


@pytest.fixture
def scan(index: Index, tree: Path) -> Scan:
    """`scan(changed=True...)` scans the tree; a tick later, so that a change after it has another stamp."""

    def run(*places: Path, **options: object) -> ScanResult:
        result = deep_scan([str(place) for place in places or (tree,)], ScanOptions(**options), index)  # type: ignore[arg-type]
        time.sleep(0.01)
        return result

    return run


def names(result: ScanResult) -> list[str]:
    return [os.path.basename(image.location) for image in result.images]


def changes(result: ScanResult) -> list[str]:
    return [f"{change.change} {os.path.basename(change.image.location)}" for change in result.changes]


def test_a_first_scan_finds_and_names_the_images_and_the_index_lists_them(scan: Scan, index: Index) -> None:
    found = scan()
    assert [(image.os_distro, image.os_version) for image in found.images] == [
        ("debian", "12.5.0"),
        ("ubuntu", "12.04"),
    ]
    assert index.images().images == found.images
    assert (found.counters.opened, found.counters.reads) == (2, 4) and found.counters.bytes < 3 << 14


def test_a_rescan_of_an_unchanged_tree_reads_no_directory_opens_no_image_and_writes_nothing(
    scan: Scan, index: Index
) -> None:
    first = scan()
    before = {path: path.stat().st_mtime_ns for path in Path(index.own).iterdir() if not path.name.startswith(".")}
    again = scan()
    assert again.images == first.images and again.changes == ()
    assert (again.counters.read, again.counters.opened, again.counters.directories) == (0, 0, 3)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_new_image_in_an_old_directory_is_found_by_reading_that_directory_alone(scan: Scan, tree: Path) -> None:
    scan()
    make_image(tree / "sub/deep/new.iso", "Fedora-S-dvd-x86_64-37")
    again = scan()
    assert changes(again) == ["added new.iso"]
    assert (again.counters.read, again.counters.opened) == (1, 1)


def test_a_new_subtree_is_found(scan: Scan, tree: Path) -> None:
    scan()
    (tree / "a/b/c").mkdir(parents=True)
    shutil.copy(tree / "ubuntu.iso", tree / "a/b/c/copy.iso")
    assert changes(scan()) == ["added copy.iso"]
    assert changes(scan()) == []


def test_deleted_and_renamed_images_and_directories_are_seen(scan: Scan, tree: Path) -> None:
    scan()
    (tree / "ubuntu.iso").unlink()
    (tree / "sub").rename(tree / "bus")
    again = scan()
    assert [change.image.location for change in again.changes] == [
        f"{tree}/bus/debian.iso",
        f"{tree}/sub/debian.iso",
        f"{tree}/ubuntu.iso",
    ]
    assert names(again) == ["debian.iso"]


def test_a_directory_replaced_by_another_with_the_same_name_is_read(scan: Scan, tree: Path) -> None:
    scan()
    (tree / "sub").rename(tree.parent / "elsewhere")
    (tree / "sub/deep").mkdir(parents=True)
    make_image(tree / "sub/deep/x.iso", "x")
    assert sorted(changes(scan())) == ["added x.iso", "removed debian.iso"]


def test_an_image_changed_in_place_with_size_and_mtime_restored_is_seen(scan: Scan, tree: Path) -> None:
    scan()
    image = tree / "ubuntu.iso"
    before = image.stat()
    relabel(image, volume_id="Ubuntu-Server 14.04 LTS amd64")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = scan()
    assert changes(again) == ["changed ubuntu.iso"]
    assert again.images[1].os_version == "14.04"


def test_a_change_of_owner_or_mode_alone_is_no_change(scan: Scan, tree: Path) -> None:
    scan()
    (tree / "ubuntu.iso").chmod(0o600)
    again = scan()
    assert (again.changes, again.counters.opened) == ((), 1)


def test_hard_links_are_one_image(scan: Scan, tree: Path, index: Index) -> None:
    os.link(tree / "ubuntu.iso", tree / "sub/deep/link.iso")
    assert names(scan()) == ["debian.iso", "link.iso"]
    assert index.read().places[str(tree)].entries[f"{tree}/sub/deep/link.iso"].also == (f"{tree}/ubuntu.iso",)
    (tree / "sub/deep/link.iso").unlink()
    assert names(scan()) == ["debian.iso", "ubuntu.iso"]


def test_directories_too_young_to_be_believed_are_read_again(
    scan: Scan, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: late() - 3600 * 10**9)
    scan()
    again = scan()
    assert (again.counters.read, again.counters.opened) == (3, 2)


def test_another_exclude_list_reads_everything_again(scan: Scan) -> None:
    scan()
    assert names(scan(exclude=("sub",))) == ["ubuntu.iso"]
    assert names(scan()) == ["debian.iso", "ubuntu.iso"]


def test_a_file_that_is_no_image_is_named_once_and_not_opened_again(scan: Scan, tree: Path) -> None:
    (tree / "text.iso").write_text("no image")
    (tree / "disk.img").write_bytes(bytes(100000))
    first, again = scan(), scan()
    assert [(problem.path, problem.new) for problem in first.problems] == [(f"{tree}/text.iso", True)]
    assert [problem.new for problem in again.problems] == [False]
    assert again.counters.opened == 0 and len(again.images) == 2


def test_an_incomplete_image_is_a_problem_and_looked_at_again(scan: Scan, tree: Path) -> None:
    image = make_image(tree / "part.iso", "Debian 12.5.0 amd64 n", size=200 * 2048)
    os.truncate(image, 150 * 2048)
    assert [problem.reason for problem in scan().problems] == ["incomplete"]
    again = scan()
    assert again.counters.opened == 1 and again.images[0].error == "incomplete"


def test_what_changed_counts_from_the_last_time_somebody_asked(scan: Scan, tree: Path) -> None:
    assert changes(scan(changed=True)) == ["added debian.iso", "added ubuntu.iso"]
    assert changes(scan(changed=True)) == []
    make_image(tree / "new.iso", "x")
    (tree / "ubuntu.iso").unlink()
    assert len(scan().changes) == 2
    assert changes(scan()) == []
    assert changes(scan(changed=True)) == ["added new.iso", "removed ubuntu.iso"]


def test_what_came_and_went_between_two_reports_is_not_reported(scan: Scan, tree: Path) -> None:
    scan(changed=True)
    make_image(tree / "new.iso", "x")
    scan()
    (tree / "new.iso").unlink()
    assert changes(scan(changed=True)) == []


def test_images_are_first_seen_once_and_not_before_they_are_a_minute_old(
    scan: Scan, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = time.time
    assert len(scan(create_templates=True).first_seen) == 2
    assert scan(create_templates=True).first_seen == ()
    monkeypatch.setattr(time, "time", lambda: late() - 3600)
    make_image(tree / "new.iso", "Debian 11.6.0 amd64 n")
    assert scan(create_templates=True).first_seen == ()
    assert scan().first_seen == ()  # a look in between takes nothing away
    monkeypatch.setattr(time, "time", late)
    assert [image.os_version for image in scan(create_templates=True).first_seen] == ["11.6.0"]


def test_images_known_before_and_declined_ones_are_not_first_seen(scan: Scan, tree: Path, index: Index) -> None:
    known = scan().images[0]
    (tree / "sub/debian.iso").rename(tree / "moved.iso")
    index.decline(known.location, known.size, known.volume_id)
    assert scan(create_templates=True).first_seen == ()


def test_places_that_overlap_know_of_each_others_changes(scan: Scan, tree: Path, index: Index) -> None:
    scan(tree, tree / "sub")
    (tree / "sub/debian.iso").unlink()
    scan(tree / "sub")
    assert [os.path.basename(image.location) for image in index.images().images] == ["ubuntu.iso"]
    assert names(scan(tree, tree / "sub")) == ["ubuntu.iso"]


def test_a_missing_place_is_a_failure_and_the_others_are_scanned(scan: Scan, tree: Path) -> None:
    result = scan(tree / "nowhere", tree)
    assert [type(error) for error in result.failures] == [NotFound] and len(result.images) == 2


def test_two_scans_of_one_place_exclude_each_other_and_name_who_is_at_it(scan: Scan, index: Index, tree: Path) -> None:
    with index.place_lock(str(tree)), pytest.raises(Locked):
        Thrown(lambda: scan()).join()


class Thrown(threading.Thread):
    """A thread whose error `join` raises."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.work, self.error = work, None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:
            self.error = error

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if self.error:
            raise self.error


def test_two_scans_of_different_places_at_once_both_count(index: Index, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    make_image(tmp_path / "other/x.iso", "x")
    both = [
        Thrown(lambda place=place: deep_scan([str(place)], ScanOptions(), index))
        for place in (tree, tmp_path / "other")
    ]
    for each in both:
        each.join()
    assert len(index.images().images) == 3


def test_a_damaged_index_is_set_aside_with_a_note_and_made_anew(scan: Scan, index: Index) -> None:
    scan()
    path = Path(index.own, "images")
    path.write_bytes(path.read_bytes()[:-20])
    again = scan()
    assert len(again.images) == 2 and "damaged" in again.notes[0]
    assert Path(index.own, "images.damaged").exists() and scan().notes == ()


def test_damaged_or_missing_stamps_cost_a_full_scan_and_nothing_else(scan: Scan, index: Index) -> None:
    scan()
    (stamps,) = Path(index.own).glob("stamps-*")
    stamps.write_bytes(stamps.read_bytes()[:-1] + b"?")
    assert scan().counters.read == 3
    next(Path(index.own).glob("stamps-*")).unlink()
    assert scan().counters.read == 3 and scan().counters.read == 0


def test_an_interrupted_scan_keeps_what_it_found_and_the_next_one_finds_the_rest(
    scan: Scan, tree: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan()
    make_image(tree / "a.iso", "a")
    make_image(tree / "b.iso", "b")
    really, seen = counted.probe_counted, []

    def interrupted(path: str, counters: Counters) -> object:
        if seen:
            raise KeyboardInterrupt
        seen.append(path)
        return really(path, counters)

    monkeypatch.setattr(counted, "probe_counted", interrupted)
    result = scan()
    assert result.interrupted and len(index.images().images) == 3
    monkeypatch.setattr(counted, "probe_counted", really)
    assert names(scan()) == ["a.iso", "b.iso", "debian.iso", "ubuntu.iso"]


def test_a_name_that_is_not_utf8_is_found_kept_and_seen_to_go(scan: Scan, tree: Path, index: Index) -> None:
    odd = os.fsencode(tree) + b"/caf\xe9.iso"
    shutil.copy(tree / "ubuntu.iso", odd)
    found = scan()
    assert os.fsencode(found.images[0].location) == odd
    assert index.images().images == found.images
    os.unlink(odd)
    assert changes(scan()) == ["removed caf\udce9.iso"]


# ---- any change is found ---------------------------------------------------------------------------------------------


class Shaker:
    """Changes a tree at random, one change at a time."""

    def __init__(self, top: Path, images: list[bytes], chance: random.Random) -> None:
        self.top, self.images, self.chance = top, images, chance

    def _directories(self) -> list[str]:
        return sorted(path for path, _below, _files in os.walk(self.top))

    def _files(self) -> list[str]:
        return sorted(os.path.join(path, name) for path, _below, files in os.walk(self.top) for name in files)

    def shake(self) -> str:
        move = self.chance.choice(
            [self.write, self.write, self.make, self.remove, self.move, self.link, self.retouch, self.swap]
        )
        return f"{move.__name__} {move()}"

    def _new(self, suffix: str = "") -> str:
        return f"{self.chance.choice(self._directories())}/{self.chance.choice('abcde')}{suffix}"

    def write(self) -> str:
        path = self._new(self.chance.choice([".iso", ".IMG", ".txt"]))
        if not os.path.islink(path) and not os.path.isdir(path):
            Path(path).write_bytes(self.chance.choice([*self.images, b"nothing"]))
        return path

    def make(self) -> str:
        path = self._new()
        if not os.path.lexists(path):
            os.makedirs(path + "/x")
        return path

    def remove(self) -> str:
        path = self.chance.choice([*self._files(), *self._directories()[1:]] or [str(self.top)])
        if os.path.isdir(path) and path != str(self.top):
            shutil.rmtree(path)
        elif path != str(self.top):
            os.unlink(path)
        return path

    def move(self) -> str:
        path = self.chance.choice([*self._files(), *self._directories()[1:]] or [self._new()])
        target = self._new(self.chance.choice(["", ".iso"]))
        if os.path.exists(path) and not os.path.lexists(target) and not target.startswith(path):
            os.rename(path, target)
        return f"{path} to {target}"

    def link(self) -> str:
        files, target = self._files(), self._new(".iso")
        if files and not os.path.lexists(target):
            os.link(self.chance.choice(files), target, follow_symlinks=False)
        elif not os.path.lexists(target):
            os.symlink(self.top, target)
        return target

    def retouch(self) -> str:
        """Another content of the same size, with the time it had before."""
        for path in self._files():
            before = os.stat(path)
            if before.st_size == len(self.images[0]):
                with open(path, "r+b") as file:
                    file.write(self.chance.choice(self.images))
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
                return path
        return "nothing"

    def swap(self) -> str:
        """Two directories exchange their names."""
        below = [path for path in self._directories()[1:] if os.path.dirname(path) == str(self.top)]
        if len(below) < 2:
            return "nothing"
        one, other = self.chance.sample(below, 2)
        os.rename(one, one + "~")
        os.rename(other, one)
        os.rename(one + "~", other)
        return f"{one} and {other}"


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_a_rescan_finds_what_a_scan_without_memory_finds(
    seed: int, tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:  # two processes, as for a large tree
        monkeypatch.setattr(pairwalk, "_SUBTREES", 2)
        monkeypatch.setattr(stamps, "_MANY", 1)
    images = [make_image(tmp_path / "x", label).read_bytes() for label in ("Debian 11.6.0 amd64 n", "ARCH_202301")]
    top = tmp_path / "top"
    top.mkdir()
    shaker = Shaker(top, images, random.Random(seed))  # noqa: S311
    done = []
    for round_ in range(25):
        time.sleep(0.005)
        done = [shaker.shake() for _ in range(shaker.chance.randrange(4))]
        fresh = Index([str(tmp_path / f"fresh{round_}")])
        expected = deep_scan([str(top)], ScanOptions(), fresh)
        assert deep_scan([str(top)], ScanOptions(), index).images == expected.images, (seed, round_, done)


def test_a_disk_that_is_full_costs_the_memory_alone(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(point: str, path: str) -> None:
        if point == "opened":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "trace", full)
    result = scan()
    assert sorted(names(result)) == ["debian.iso", "ubuntu.iso"]
    assert result.notes[0].startswith("not remembered: cannot write ")
    for needed in ("changed", "create_templates"):
        with pytest.raises(Failed, match="No space left"):
            scan(**{needed: True})


def test_pools_of_other_daemons_of_this_machine_are_other_places() -> None:
    uris = ("qemu:///system", "qemu:///session", "qemu+unix:///system?socket=/run/other", "qemu+ssh://far/system")
    with open_host("test:///default") as host:
        names = []
        for host.uri in uris:
            names.append(place_name(host, "images"))
    assert names == ["pool:images", *(f"pool:images@{uri}" for uri in uris[1:])]


def test_a_tree_behind_a_server_is_looked_at_in_a_child_and_that_comes_to_the_same(index: Index, tree: Path) -> None:
    (tree / "broken.iso").write_bytes(b"no image")
    near, far = (
        kind(os.fsencode(tree), None, ScanOptions(), Mounts.read(), index, "") for kind in (TreeSurvey, FarTreeSurvey)
    )
    near.run(SILENT)
    far.run(SILENT)
    assert len(far.place.entries) == 3
    assert (far.place, far.stamps, far.interrupted) == (near.place, near.stamps, near.interrupted)
    assert all(getattr(far.counters, name) == getattr(near.counters, name) for name in Counters.__slots__)
