"""Copies of images, told from images that only look alike."""

import os
import shutil
from pathlib import Path

from kimchictl.actions.images.duplicates import Duplicate, find_duplicates
from kimchictl.media.probe import probe_path
from lab.images import make_image


def duplicates(*paths: Path) -> tuple[Duplicate, ...]:
    return find_duplicates([probe_path(str(path)) for path in paths])


def test_copies_are_one_group_with_the_bytes_that_all_but_one_take(tmp_path: Path) -> None:
    one = make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")
    copies = [Path(shutil.copy(one, tmp_path / name)) for name in ("b.iso", "c.iso")]
    (found,) = duplicates(copies[1], one, copies[0])
    assert found.locations == tuple(str(path) for path in (one, *copies))
    assert (found.copies, found.freeable) == (3, 2 * one.stat().st_size)


def test_equal_labels_and_size_with_another_content_are_no_copies(tmp_path: Path) -> None:
    one = make_image(tmp_path / "a.iso", "x", payload="one")
    other = make_image(tmp_path / "b.iso", "x", payload="two")
    assert one.stat().st_size == other.stat().st_size
    assert duplicates(one, other) == ()


def test_hard_links_free_nothing(tmp_path: Path) -> None:
    one = make_image(tmp_path / "a.iso", "x")
    os.link(one, tmp_path / "b.iso")
    assert duplicates(one, tmp_path / "b.iso") == ()
