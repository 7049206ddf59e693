"""Whether the user that guests run as can read an image, and what would help."""

import os
import pwd

import pytest

from kimchictl.actions.vms.create.access import why_unreadable
from kimchictl.errors import Failed, Invalid, NotFound

NOBODY = pwd.getpwnam("nobody")
USER = (NOBODY.pw_uid, NOBODY.pw_gid)


@pytest.fixture
def open_path(tmp_path):
    """A directory that everybody can search, from the root on; the test's own is its owner's alone."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory != directory.parent:
            directory.chmod(directory.stat().st_mode | 0o111)
    return tmp_path


@pytest.fixture
def image(open_path):
    (open_path / "sub").mkdir()
    path = open_path / "sub/a b.iso"
    path.write_bytes(b"x")
    return path


def test_what_all_may_read_is_readable(image):
    assert why_unreadable(str(image), USER) is None


def test_root_reads_everything(image):
    image.chmod(0)
    assert why_unreadable(str(image), (0, 0)) is None


def test_a_closed_file_is_named_with_what_would_open_it(image):
    image.chmod(0o600)
    problem = why_unreadable(str(image), USER)
    assert isinstance(problem, Failed) and "nobody" in str(problem)
    assert problem.hint == f"setfacl -m u:nobody:r '{image}'"


def test_the_directory_that_does_not_let_it_pass_is_named(image):
    image.parent.chmod(0o700)
    problem = why_unreadable(str(image), USER)
    assert f"{image.parent} does not let it pass" in str(problem)
    assert problem.hint == f"setfacl -m u:nobody:x {image.parent}"


def test_a_link_is_judged_by_what_it_leads_to(image, open_path):
    (open_path / "link.iso").symlink_to(image)
    image.parent.chmod(0o700)
    assert str(image.parent) in str(why_unreadable(str(open_path / "link.iso"), USER))


def test_what_is_missing_or_no_file_is_said_so(image, open_path):
    assert isinstance(why_unreadable(str(open_path / "gone"), USER), NotFound)
    os.mkfifo(open_path / "fifo")
    assert isinstance(why_unreadable(str(open_path / "fifo"), USER), Invalid)
