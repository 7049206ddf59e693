"""What an upload reads: files with their holes, pipes to their end."""

import os

import pytest

from kimchictl.actions.storage.volume_input import open_input, plain
from kimchictl.errors import Invalid, KimchiError, NotFound

MIB = 1 << 20


@pytest.fixture
def file(tmp_path):
    """A file of 9 MiB: data, 4 MiB of a hole, data, a hole."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(2 * MIB))
    with path.open("r+b") as out:
        out.seek(6 * MIB)
        out.write(os.urandom(MIB))
        out.truncate(9 * MIB)
    return path


def test_a_hole_is_a_number_and_all_together_is_the_file(file):
    with open_input(str(file)) as given:
        pieces = list(given.pieces())
    assert b"".join(plain(pieces)) == file.read_bytes()
    assert (given.size, given.taken) == (9 * MIB, os.stat(file).st_blocks * 512)
    assert 4 * MIB in pieces and pieces[-1] == 2 * MIB


@pytest.mark.parametrize("length", [MIB, 3 * MIB, 6 * MIB + 1])
def test_a_file_that_shrinks_while_it_is_read_gives_less_and_no_zeros_for_the_rest(file, length):
    with open_input(str(file)) as given:
        pieces = given.pieces()
        first = next(pieces)
        os.truncate(file, length)
        assert len(b"".join(plain([first, *pieces]))) == max(length, MIB)


def test_what_can_be_no_input_is_refused(tmp_path, file):
    for path, error in (
        (tmp_path / "gone", NotFound),
        (tmp_path, Invalid),
        ("/dev/null", Invalid),
        ("\0", KimchiError),
    ):
        with pytest.raises(error), open_input(str(path)):
            pass
    with pytest.raises(Invalid, match="not 5"), open_input(str(file), size=5):
        pass
