"""The wheel holds everything, where a distribution expects it, and works from where it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from kimchictl.cli import GROUPS, kimchictl

CHECKOUT = Path(__file__).resolve().parent.parent

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of what belongs to it: the checkout may be another user's."""
    copy, made = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    parts = ["pyproject.toml", "README.md", "LICENSE", "kimchictl", "distros", "man", "setup"]
    subprocess.run(["cp", "-R", *(CHECKOUT / part for part in parts), copy], check=True)
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made], cwd=copy, check=True)
    (file,) = made.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; its dependencies are those that the tests themselves have."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", place / "bin/python"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True)
    (packages,) = place.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(str(Path(click.__file__).parent.parent))
    return place


def test_every_group_has_a_man_page(installed):
    groups = [name for name in GROUPS if isinstance(kimchictl.get_command(click.Context(kimchictl), name), click.Group)]
    pages = {page.name for page in (installed / "share/man/man1").iterdir()}
    assert pages == {"kimchictl.1", *(f"kimchictl-{name}.1" for name in groups)}


def test_every_format_has_a_man_page(installed):
    pages = {page.name for page in (installed / "share/man/man5").iterdir()}
    assert {"kimchictl.toml.5", "kimchi-template.5", "kimchi-distro.5"} <= pages


@pytest.mark.skipif(not Path("/usr/bin/mandoc").exists(), reason="mandoc is not installed")
def test_the_manual_renders_without_a_warning(installed):
    for page in (installed / "share/man").glob("man?/*"):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE, text=True)
        assert lint.stdout == ""


def test_shells_find_their_completions(installed):
    share = installed / "share"
    for place in ("bash-completion/completions/kimchictl", "zsh/site-functions/_kimchictl"):
        assert "_KIMCHICTL_COMPLETE" in (share / place).read_text()
    assert "_KIMCHICTL_COMPLETE" in (share / "fish/vendor_completions.d/kimchictl.fish").read_text()


def test_the_installed_command_finds_the_distros_and_the_rules(installed, tmp_path):
    places = {f"KIMCHI_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "STATE", "CACHE")}
    listed = subprocess.run(
        [installed / "bin/kimchictl", "distro", "list", "-o", "name"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"} | places,
        cwd="/",
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    shipped = {file.name for file in (installed / "share/kimchi/distros").iterdir()}
    assert len(listed.stdout.splitlines()) > 10 and len(shipped) > 10


def test_nothing_but_the_package_is_in_the_wheel(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.startswith("kimchictl-")} == {"kimchictl"}
