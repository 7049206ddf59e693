"""The wheel holds everything, where a distribution expects it, and works from where it is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from kimchictl import __version__
from kimchictl.cli import GROUPS, kimchictl

CHECKOUT = Path(__file__).resolve().parent.parent
CHANGES = CHECKOUT / "CHANGES.md"
PARTS = ["pyproject.toml", "README.md", "LICENSE", "CHANGES.md", "kimchictl", "distros", "man", "setup", "systemd"]

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")


def copy_sources(place: Path) -> None:
    """What belongs to the wheel; compiled files come and go while other tests run."""
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(CHECKOUT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(exist_ok=True)
            shutil.copy(CHECKOUT / part, place / part)


def build(place: Path) -> Path:
    """A wheel, built of a copy of what belongs to it: the checkout may be another user's."""
    copy_sources(place / "checkout")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place / "made"]
    environ = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=place / "checkout", check=True, env=environ)
    (file,) = (place / "made").iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; its dependencies are those that the tests themselves have."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", place / "bin/python"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel], check=True)
    (packages,) = place.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(str(Path(click.__file__).parent.parent))
    return place


def test_every_group_has_a_man_page(installed):
    groups = [name for name in GROUPS if isinstance(kimchictl.get_command(click.Context(kimchictl), name), click.Group)]
    pages = {page.name for page in (installed / "share/man/man1").iterdir()}
    assert pages == {"kimchictl.1", *(f"kimchictl-{name}.1" for name in groups)}


def test_every_format_has_a_man_page(installed):
    pages = {page.name for page in (installed / "share/man/man5").iterdir()}
    assert pages == {"kimchictl.toml.5", "kimchi-template.5", "kimchi-distro.5", "kimchi-rule.5"}


def test_what_systemd_and_cron_are_given_is_there(installed):
    units = {unit.name for unit in (installed / "lib/systemd/system").iterdir()}
    assert units == {"kimchi-scan.service", "kimchi-scan.timer", "kimchi-stats.service"}
    assert (installed / "share/doc/kimchictl/kimchi-scan.cron").exists()


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


@pytest.mark.parametrize("prefix", ["usr/local", "opt/kimchi"])
def test_make_install_makes_a_command_that_finds_what_came_with_it(wheel, tmp_path, prefix):
    place = tmp_path / prefix
    subprocess.run([sys.executable, CHECKOUT / "setup/install.py", wheel, place], check=True)
    environ = {f"KIMCHI_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "STATE", "CACHE")}
    asked = [place / "bin/kimchictl", "config", "path", "-o", "json"]
    shown = subprocess.run(asked, capture_output=True, text=True, env=environ, cwd="/")
    assert str(place / "share/kimchi") in shown.stdout and shown.stderr == ""
    unit = (place / "lib/systemd/system/kimchi-scan.service").read_text()
    assert f"ExecStart={place}/bin/kimchictl" in unit


def test_the_same_sources_make_the_same_wheel(wheel, tmp_path):
    again = build(tmp_path)
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


def test_the_packages_have_the_version_of_the_program():
    debian = (CHECKOUT / "debian/changelog").read_text().split("\n", 1)[0]
    assert debian.startswith(f"kimchictl ({__version__})")
    assert re.search(
        rf"(?m)^## {re.escape(__version__)} \((\d{{4}}-\d\d-\d\d|not released yet)\)$", CHANGES.read_text()
    )


def test_the_units_of_the_debian_package_are_those_of_the_wheel():
    links = {link.name.removeprefix("kimchictl."): link for link in (CHECKOUT / "debian").glob("kimchictl.kimchi-*")}
    assert {link.resolve() for link in links.values()} == {(CHECKOUT / "systemd" / name).resolve() for name in links}
    assert set(links) == {unit.name for unit in (CHECKOUT / "systemd").iterdir() if unit.suffix != ".cron"}
