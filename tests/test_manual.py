"""The manual: complete, without warnings, and with examples that hold."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from kimchictl.catalog.distros import parse_distro
from kimchictl.catalog.parse import parse
from kimchictl.config import KEYS
from kimchictl.media.naming.labels import PARTS
from kimchictl.media.naming.rules import parse_rule

SETUP = Path(__file__).resolve().parent.parent / "setup"
RULES = SETUP.parent / "kimchictl/data/rules.json"
FORMATS = ("kimchi-template", "kimchi-distro", "kimchi-rule", "kimchictl.toml")


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all pages, as manN/NAME.N."""
    spec = importlib.util.spec_from_file_location("manpages", SETUP / "manpages.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    share = tmp_path_factory.mktemp("share")
    module.write(share)
    return share / "man"


def test_every_command_page_has_the_sections_that_people_look_for(manual: Path) -> None:
    for page in (manual / "man1").iterdir():
        sections = re.findall(r"(?m)^\.SH (.+)$", page.read_text())
        wanted = {"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "FILES", "EXIT STATUS", "SEE ALSO"}
        assert wanted - set(sections) == set(), page.name
        assert len(sections) == len(set(sections))


def test_every_page_that_another_refers_to_exists(manual: Path) -> None:
    pages = {file.name for file in manual.glob("man?/*")}
    for page in manual.glob("man?/*"):
        references = re.findall(r"(?m)^\.BR (kimchi\S+) \((\d)\)", page.read_text())
        assert {f"{name}.{section}".replace(r"\-", "-") for name, section in references} - pages == set()


def test_the_page_of_rules_names_every_key_and_part(manual: Path) -> None:
    page = (manual / "man5/kimchi-rule.5").read_text()
    keys = {key for rule in json.loads(RULES.read_text("utf-8"))["rules"] for key in rule}
    assert keys - set(re.findall(r"(?m)^\\fB(\w+)\\fR$", page)) == set()
    assert [part for part in PARTS if f"<{part}>" not in page] == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_example_of_a_format_holds(manual: Path, name: str) -> None:
    page = (manual / f"man5/{name}.5").read_text()
    text = page.split(".SH EXAMPLE\n.nf\n.RS 2\n", 1)[1].split("\n.RE\n", 1)[0].replace("\\-", "-")
    readers = {"kimchi-template": parse, "kimchi-distro": parse_distro, "kimchi-rule": parse_rule}
    if name in readers:
        assert readers[name](json.loads(text), name).name  # type: ignore[attr-defined]
    else:
        assert set(tomllib.loads(text)) <= {key.split(".")[0] for key in KEYS} | {"hosts"}


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_shows_the_manual_without_a_warning(manual: Path) -> None:
    for page in manual.glob("man?/*"):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], stdout=subprocess.PIPE, text=True)
        assert lint.stdout == ""


@pytest.mark.skipif(not shutil.which("man") or not shutil.which("groff"), reason="man-db is not installed")
def test_man_shows_the_manual_without_a_warning(manual: Path) -> None:
    for page in manual.glob("man?/*"):
        command = ["man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", page]
        shown = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
        assert (shown.returncode, shown.stderr) == (0, "")
