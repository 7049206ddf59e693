"""Scans of trees in which something is mounted: real mounts, in a namespace of the test's own."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kimchictl.actions.images.scan import ScanOptions, ScanResult, deep_scan
from kimchictl.media.scan.index import Index
from lab.fuse import DeadDirectory, needs_fuse
from lab.images import make_image
from lab.mounts import in_namespace, mount, needs_mounts, unmount

pytestmark = needs_mounts

Scan = Callable[..., list[str]]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    really_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: really_ns() + 3600 * 10**9)  # what was just made may be believed
    (tmp_path / "tree/sub/point").mkdir(parents=True)
    make_image(tmp_path / "tree/plain.iso", "plain")
    return tmp_path / "tree"


@pytest.fixture
def scan(tree: Path) -> Scan:
    """Names of the images, with "?" after those that are absent; other file systems are entered."""
    index = Index([str(tree.parent / "state")])

    def run(**options: object) -> list[str]:
        result = deep_scan([str(tree)], ScanOptions(**{"cross_filesystems": True, **options}), index)  # type: ignore[arg-type]
        time.sleep(0.01)
        return shown(result)

    return run


def shown(result: ScanResult) -> list[str]:
    return [
        os.path.relpath(image.location, result.places[0]) + "?" * (image.error == "absent") for image in result.images
    ]


def mount_with_image(point: Path, name: str = "mounted.iso") -> None:
    mount("-t", "tmpfs", "tmpfs", point)
    make_image(point / name, name)


def test_another_file_system_is_entered_only_when_asked(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        mount_with_image(tree / "sub/point")
        return [scan(cross_filesystems=False), scan(cross_filesystems=False), scan()]

    assert in_namespace(steps) == [["plain.iso"], ["plain.iso"], ["plain.iso", "sub/point/mounted.iso"]]


def test_a_mount_that_appears_is_found_and_one_that_vanishes_leaves_its_images_absent(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        before = scan()
        mount_with_image(tree / "sub/point")
        with_it = scan()
        unmount(tree / "sub/point")
        return [before, with_it, scan(), scan()]

    both = ["plain.iso", "sub/point/mounted.iso"]
    assert in_namespace(steps) == [["plain.iso"], both, [*both[:1], both[1] + "?"], [*both[:1], both[1] + "?"]]


def test_a_mount_that_is_back_has_its_images_again_and_those_deleted_meanwhile_are_gone(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        held = tree.parent / "held"
        held.mkdir()
        mount_with_image(held)
        make_image(held / "second.iso", "second")
        mount("--bind", held, tree / "sub/point")
        scan()
        unmount(tree / "sub/point")
        away = scan()
        (held / "second.iso").unlink()
        mount("--bind", held, tree / "sub/point")
        return [away, scan()]

    assert in_namespace(steps) == [
        ["plain.iso", "sub/point/mounted.iso?", "sub/point/second.iso?"],
        ["plain.iso", "sub/point/mounted.iso"],
    ]


def test_images_under_a_new_mount_are_absent_and_back_when_it_goes(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        make_image(tree / "sub/point/below.iso", "below")
        scan(cross_filesystems=False)
        mount("-t", "tmpfs", "tmpfs", tree / "sub/point")
        covered = scan(cross_filesystems=False)
        unmount(tree / "sub/point")
        return [covered, scan(cross_filesystems=False)]

    assert in_namespace(steps) == [["plain.iso", "sub/point/below.iso?"], ["plain.iso", "sub/point/below.iso"]]


def test_another_file_system_on_the_same_point_does_not_take_the_images_of_the_first(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        mount_with_image(tree / "sub/point", "one.iso")
        scan()
        unmount(tree / "sub/point")
        mount_with_image(tree / "sub/point", "two.iso")
        return [scan()]

    assert in_namespace(steps) == [["plain.iso", "sub/point/one.iso?", "sub/point/two.iso"]]


def test_a_bind_mount_shows_an_image_once_and_one_of_the_tree_on_itself_ends(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        mount("--bind", tree, tree / "sub/point")
        return [scan(), scan(cross_filesystems=False)]

    assert in_namespace(steps) == [["plain.iso"], ["plain.iso"]]


def test_proc_is_never_entered(tree: Path, scan: Scan) -> None:
    def steps() -> ScanResult:
        mount("-t", "proc", "proc", tree / "sub/point")
        return deep_scan([str(tree)], ScanOptions(cross_filesystems=True), Index([str(tree.parent / "other")])).counters

    assert in_namespace(steps).directories == 2


def test_a_service_that_sees_the_tree_as_a_mount_of_its_own_sees_what_is_gone(tree: Path, scan: Scan) -> None:
    def steps() -> list[list[str]]:
        make_image(tree / "sub/gone.iso", "gone")
        scan(cross_filesystems=False)
        (tree / "sub/gone.iso").unlink()
        mount("--bind", tree / "sub", tree / "sub")
        mount("-o", "remount,bind,ro", tree / "sub")
        return [scan(cross_filesystems=False)]

    assert in_namespace(steps) == [["plain.iso"]]


@needs_fuse
@pytest.mark.parametrize("link", [False, True])
def test_a_dead_mount_below_is_given_up_after_the_deadline_whatever_leads_there(tree: Path, link: bool) -> None:
    index = Index([str(tree.parent / "state")])
    options = ScanOptions(cross_filesystems=not link, follow_symlinks=link, deadline=0.2)
    with DeadDirectory(tree / "sub/point") as dead:
        if link:
            (tree / "link.iso").symlink_to("sub/point/x.iso")
        result = deep_scan([str(tree)], options, index)
        dead.revive()
    assert shown(result) == ["plain.iso"]
    assert [(Path(problem.path).name, problem.reason) for problem in result.problems] == [
        ("point", "its fuse file system did not answer within 0.2 s")
    ]


@needs_fuse
def test_a_mount_below_that_dies_in_the_middle_is_given_up_and_the_rest_is_found(tree: Path) -> None:
    index = Index([str(tree.parent / "state")])
    options = ScanOptions(cross_filesystems=True, deadline=0.1)
    with DeadDirectory(tree / "sub/point", dies_after=1) as dead:
        result = deep_scan([str(tree)], options, index)
        opened = dead.opened
        again = deep_scan([str(tree)], options, index)  # what still waits holds no lock
        dead.revive()
    assert (shown(result), shown(again), opened) == (["plain.iso"], ["plain.iso"], 2)
    assert [(Path(problem.path).name, problem.reason) for problem in result.problems] == [
        ("point", "its fuse file system does not answer any more")
    ]


@needs_fuse
def test_a_place_whose_server_dies_in_the_middle_is_a_problem_of_its_own(tree: Path) -> None:
    with DeadDirectory(tree / "sub/point", dies_after=2) as dead:
        result = deep_scan([str(dead.path)], ScanOptions(deadline=0.1), Index([str(tree.parent / "state")]))
        dead.revive()
    assert [problem.path for problem in result.problems] == [str(dead.path)]
    assert not result.failures
