"""A second process, and a large tree walked by two."""

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from kimchictl.media.scan import child as child_module
from kimchictl.media.scan import pairwalk
from kimchictl.media.scan.child import Child, Shares
from kimchictl.media.scan.mounts import Mounts
from kimchictl.media.scan.rules import Rules
from kimchictl.media.scan.stamps import decode, encode
from kimchictl.media.scan.walk import Walk


def test_a_child_hands_back_bytes_of_any_length() -> None:
    with Child(lambda: b"x" * 1_000_000) as child:
        assert child.result() == b"x" * 1_000_000


def test_each_share_is_taken_once_by_whichever_process_comes() -> None:
    with closing(Shares(1000)) as shares, Child(lambda: bytes(share.start % 251 for share in shares)) as child:
        mine = [share.start for share in shares]
        theirs = child.result()
    assert theirs is not None and len(mine) + len(theirs) == 1000
    assert sorted([number % 251 for number in mine] + list(theirs)) == sorted(number % 251 for number in range(1000))


def test_a_child_that_fails_hands_back_nothing() -> None:
    with Child(lambda: os._exit(3)) as child:  # type: ignore[arg-type,return-value]
        assert child.result() is None


def test_leaving_without_the_result_ends_the_child() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")  # another test's may be among them
    before, then = time.monotonic(), children.read_text()
    with pytest.raises(KeyboardInterrupt), Child(lambda: time.sleep(60) or b""):  # type: ignore[func-returns-value]
        raise KeyboardInterrupt
    assert children.read_text() == then
    assert time.monotonic() - before < 30


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """More directories than numbers in the pipe at once are needed for, each with an image and one below."""
    for number in range(300):
        (tmp_path / f"d{number}/below").mkdir(parents=True)
        (tmp_path / f"d{number}/below/{number}.iso").touch()
    return tmp_path


def walked(top: Path) -> Walk:
    walk = Walk(Rules(), Mounts.read())
    pairwalk.walk_place(walk, os.fsencode(top))
    return walk


def test_two_processes_find_what_one_finds(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = walked(wide)
    monkeypatch.setattr(pairwalk, "processors", lambda: 1)
    one = walked(wide)
    assert sorted(both.files) == sorted(one.files) and len(one.files) == 300
    assert (both.counters.read, both.counters.files) == (one.counters.read, one.counters.files) == (601, 300)
    paths = [list(decode(encode(walk.trail)).paths()) for walk in (both, one)]
    assert sorted(paths[0]) == sorted(paths[1])
    seen: set[bytes] = {os.path.dirname(os.fsencode(wide))}
    for path in paths[0]:  # parents come first
        assert os.path.dirname(path) in seen
        seen.add(path)


def test_more_subtrees_than_a_pipe_holds_numbers_are_all_walked(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "_MOST", 7)
    assert len(walked(wide).files) == 300


def test_the_death_of_the_second_process_is_an_interruption(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwalk, "_second", lambda walk, subtrees, shares: os._exit(9))
    assert walked(wide).interrupted
