"""Where libvirt's library is missing, or nothing answers, images, distros and templates work whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.images import make_image

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    """Runs a command line in a process that cannot import libvirt."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "libvirt.py").write_text("raise ImportError('libvirt.so.0: cannot open shared object file')\n")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(hidden)}
    environment |= {f"KIMCHI_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "STATE", "CACHE")}

    def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kimchictl", *map(str, argv)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    make_image(tmp_path / "debian.iso", "Debian 12.5.0 amd64 n")
    return tmp_path / "debian.iso"


def test_images_are_read_found_and_listed(bare, image):
    for argv in (["iso", "probe", image], ["iso", "scan", "--deep", image.parent], ["iso", "list"]):
        done = bare(*argv, "-o", "name")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{image}\n", "")


def test_templates_are_made_changed_and_deleted(bare, image):
    for argv in (["create", "--cdrom", image], ["edit", "debian-12", "--memory", "3G"], ["clone", "debian-12"]):
        assert bare("template", *argv).returncode == 0
    assert bare("template", "list", "-o", "name").stdout.split() == ["debian-12", "debian-12-clone1"]
    for verb in ("show", "delete"):
        assert bare("template", verb, "debian-12").returncode == 0


def test_distros_are_listed_and_shown(bare):
    names = bare("distro", "list", "-o", "name").stdout.splitlines()
    assert bare("distro", "show", names[0]).returncode == 0


@pytest.mark.parametrize("argv", [["vm", "list"], ["pool", "list"], ["network", "list"], ["iso", "scan"]], ids=" ".join)
def test_what_needs_libvirt_says_what_to_install(bare, argv):
    done = bare(*argv)
    assert (done.returncode, done.stdout) == (5, "")
    assert "libvirt" in done.stderr and "install" in done.stderr


@pytest.mark.parametrize("argv", [["vm", "list"], ["pool", "list"], ["iso", "scan"]], ids=" ".join)
def test_a_daemon_that_does_not_answer_is_named_with_what_to_start(kimchi, tmp_path, argv):
    nobody = f"qemu+unix:///system?socket={tmp_path}/nobody"
    done = kimchi("-c", nobody, *argv, status=5)
    assert str(tmp_path) in done.err and "libvirtd" in done.err


def test_a_scan_that_finds_no_host_names_the_one_that_needs_none(bare):
    assert "kimchictl iso scan --deep PATH needs no host" in bare("iso", "scan").stderr
