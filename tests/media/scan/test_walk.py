"""The directory walk on real directories."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kimchictl.media.scan.mounts import Mounts, answers, parse_mountinfo
from kimchictl.media.scan.pairwalk import walk_place
from kimchictl.media.scan.rules import Rules
from kimchictl.media.scan.walk import Walk


def walked(top: Path, rules: Rules | None = None, mounts: Mounts | None = None) -> Walk:
    walk = Walk(rules or Rules(), mounts or Mounts.read())
    walk_place(walk, os.fsencode(top))
    return walk


def found(top: Path, **rules: object) -> list[str]:
    return sorted(os.path.relpath(os.fsdecode(path), top) for path in walked(top, Rules(**rules)).files)  # type: ignore[arg-type]


def touch(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")


def test_files_are_found_by_their_suffix_in_any_case_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "a.iso", "UP.ISO", "d/Mixed.IsO", "d/e/f.img", "no.iso.txt", "iso", "x.isoo")
    assert found(tmp_path) == ["UP.ISO", "a.iso", "d/Mixed.IsO", "d/e/f.img"]


def test_all_files_leaves_out_only_what_is_too_short_for_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "short")
    (tmp_path / "long").write_bytes(bytes(40000))
    assert found(tmp_path, all_files=True) == ["long"]


def test_links_are_not_followed_unless_asked_and_then_each_target_is_met_once(tmp_path: Path) -> None:
    touch(tmp_path, "away/deep/b.iso", "in/a.iso")
    (tmp_path / "in/link").symlink_to(tmp_path / "away")
    (tmp_path / "in/again").symlink_to(tmp_path / "away/deep")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/link.iso").symlink_to("nowhere")
    assert found(tmp_path / "in") == ["a.iso"]
    assert found(tmp_path / "in", follow_symlinks=True) == ["../away/deep/b.iso", "a.iso"]


def test_what_is_named_like_an_image_and_is_no_file_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has room for 107 bytes
    os.mkfifo(tmp_path / "pipe.iso")
    (tmp_path / "dir.iso").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.iso")
        assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("old", ["a.iso", "new/c.iso", "new/old.iso"]),
        ("old*", ["a.iso", "new/c.iso"]),
        ("*.iso", []),
        ("new/old", ["a.iso", "new/c.iso", "new/old.iso", "old/b.iso"]),
        ("new/", ["a.iso", "old/b.iso"]),
        ("[a-z].iso", ["new/old.iso"]),
    ],
)
def test_a_glob_excludes_by_name_and_with_a_slash_by_path(tmp_path: Path, glob: str, left: list[str]) -> None:
    touch(tmp_path, "a.iso", "old/b.iso", "new/c.iso", "new/old/d.iso", "new/old.iso")
    assert found(tmp_path, exclude=(glob,)) == left


def test_an_absolute_glob_excludes_that_path_alone(tmp_path: Path) -> None:
    touch(tmp_path, "x/old/a.iso", "y/old/b.iso")
    assert found(tmp_path, exclude=(f"{tmp_path}/x/*",)) == ["y/old/b.iso"]


def test_names_that_are_not_utf8_are_walked(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/d\xff\n"
    os.mkdir(odd)
    with open(odd + b"/\xe9.iso", "w"):
        pass
    assert walked(tmp_path).files == [odd + b"/\xe9.iso"]


def test_each_path_is_told_before_it_is_touched_and_a_large_directory_by_the_thousand(tmp_path: Path) -> None:
    touch(tmp_path, "d/a.iso", *(f"{number}.txt" for number in range(1024)))
    walk, told = Walk(Rules(), Mounts.read()), list[bytes]()
    walk.touching = told.append
    walk_place(walk, os.fsencode(tmp_path))
    top, below = os.fsencode(tmp_path), os.fsencode(tmp_path / "d")
    assert told == [top, top, top, below, below]
    assert walk.files == [below + b"/a.iso"]


def test_a_chain_deeper_than_directories_are_held_open_is_walked_to_its_end(tmp_path: Path) -> None:
    deep = os.path.join(tmp_path, *["d"] * 400)
    os.makedirs(deep)
    touch(Path(deep), "a.iso")
    assert len(found(tmp_path)) == 1


def test_a_path_longer_than_the_kernel_takes_is_walked_all_the_same(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("n" * 200, dir_fd=here)
        here, above = os.open("n" * 200, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("a.iso", os.O_CREAT, dir_fd=here))
    os.close(here)
    assert [len(path) for path in walked(tmp_path).files] == [len(os.fsencode(tmp_path)) + 30 * 201 + 6]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory of a user without rights, whom the test is for its time; root would not notice a mode of 0."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        uid = os.geteuid()
        if uid == 0:
            os.chown(directory, 65534, -1)
            os.seteuid(65534)
        yield Path(directory)
        os.seteuid(uid)


def test_an_unreadable_directory_is_named_and_costs_the_others_nothing(nobody: Path) -> None:
    touch(nobody, "a.iso", "shut/b.iso", "z/c.iso")
    (nobody / "shut").chmod(0)
    walk = walked(nobody)
    assert sorted(map(os.path.basename, walk.files)) == [b"a.iso", b"c.iso"]
    assert walk.problems == {os.fsencode(nobody / "shut"): "permission denied"}


def table(*lines: str) -> Mounts:
    return Mounts(parse_mountinfo("\n".join(lines).encode()))


def test_virtual_and_other_file_systems_are_not_entered_by_the_mount_table(tmp_path: Path) -> None:
    touch(tmp_path, "a.iso", "proc/b.iso", "nfs/c.iso", "disk/d.iso", "bind/e.iso")
    mounts = table(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        f"2 1 0:5 / {tmp_path}/proc rw - proc proc rw",
        f"3 1 0:6 / {tmp_path}/nfs rw - nfs4 server:/x rw",
        f"4 1 8:2 / {tmp_path}/disk rw - ext4 /dev/sdb1 rw",
        f"5 1 8:1 /x {tmp_path}/bind rw - ext4 /dev/sda1 rw",
    )
    names = [os.path.basename(path) for path in sorted(walked(tmp_path, None, mounts).files)]
    assert names == [b"a.iso", b"e.iso"]
    crossing = walked(tmp_path, Rules(cross_filesystems=True), mounts).files
    assert sorted(map(os.path.basename, crossing)) == [b"a.iso", b"c.iso", b"d.iso", b"e.iso"]


def test_a_place_on_a_virtual_file_system_is_refused() -> None:
    assert list(walked(Path("/proc/self")).problems.values()) == ["a proc file system holds no images"]


def test_mount_points_with_blanks_are_read_from_the_table() -> None:
    mounts = table(r"9 1 8:3 / /mnt/a\040b\134c rw shared:1 - xfs /dev/sd\040c rw")
    assert mounts.covering(b"/mnt/a b\\c/d").kind == "xfs"
    assert mounts.covering(b"/mnt").kind == "unknown"


def test_a_path_that_hangs_is_given_up_and_one_that_fails_has_answered() -> None:
    assert not answers(lambda: __import__("time").sleep(60), 0.05)
    assert answers(lambda: os.listdir("/nonexistent"), 10)
