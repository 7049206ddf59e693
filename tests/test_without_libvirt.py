"""Where libvirt's library is missing, or nothing answers, images, distros and templates work whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

from lab.images import make_image
from lab.starts import Ended, importable, start_all

Shell = Callable[..., list[Ended]]


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """Runs command lines, each in a process that cannot import libvirt."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "libvirt.py").write_text("raise ImportError('libvirt.so.0: cannot open shared object file')\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join((str(hidden), *importable().values()))}
    environment |= {f"KIMCHI_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "STATE", "CACHE")}

    def run(*lines: list[str | Path]) -> list[Ended]:
        words = [[str(word) for word in line] for line in lines]
        return start_all(Path(mkdtemp(dir=tmp_path)), words, environment, cwd=tmp_path)

    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    make_image(tmp_path / "debian.iso", "Debian 12.5.0 amd64 n")
    return tmp_path / "debian.iso"


def test_images_are_read_found_and_listed(bare, image):
    lines = ["iso", "probe", image], ["iso", "scan", "--deep", image.parent], ["iso", "list"]
    done = bare(*([*line, "-o", "name"] for line in lines))
    assert [(run.status, run.stdout.decode(), run.stderr) for run in done] == [(0, f"{image}\n", b"")] * 3


def test_templates_are_made_changed_and_deleted(bare, image):
    verbs = ["create", "--cdrom", image], ["edit", "debian-12", "--memory", "3G"], ["clone", "debian-12"]
    verbs += (["list", "-o", "name"], ["show", "debian-12"], ["delete", "debian-12"])
    done = bare(*(["template", *verb] for verb in verbs))
    assert [run.status for run in done] == [0] * 6
    assert done[3].stdout.split() == [b"debian-12", b"debian-12-clone1"]


def test_distros_are_listed_and_shown(bare):
    listed, shown = bare(["distro", "list", "-o", "name"], ["distro", "show", "debian-12"])
    assert b"debian-12" in listed.stdout.splitlines() and shown.status == 0


def test_what_needs_libvirt_says_what_to_install(bare):
    for run in bare(["vm", "list"], ["pool", "list"], ["network", "list"], ["iso", "scan"]):
        assert (run.status, run.stdout) == (5, b"")
        assert b"libvirt" in run.stderr and b"install" in run.stderr


@pytest.mark.parametrize("argv", [["vm", "list"], ["pool", "list"], ["iso", "scan"]], ids=" ".join)
def test_a_daemon_that_does_not_answer_is_named_with_what_to_start(kimchi, tmp_path, argv):
    nobody = f"qemu+unix:///system?socket={tmp_path}/nobody"
    done = kimchi("-c", nobody, *argv, status=5)
    assert str(tmp_path) in done.err and "libvirtd" in done.err


def test_a_scan_that_finds_no_host_names_the_one_that_needs_none(bare):
    assert "kimchictl iso scan --deep PATH needs no host" in bare(["iso", "scan"])[0].stderr.decode()
