"""Cron, scripts and broken places: every kind of command without what a login shell gives it.

Each variant runs the same command lines, in this order, in places of its own; none may end with a traceback, hang or
wait for an answer, and where nothing stands in the way all end well. An interpreter is started in each variant's
environment, and forked for each line (lab/starts.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lab.images import make_image
from lab.starts import Ended, importable, start_all

NAME = "vorlage-ü-日本"
LINES = [
    "iso probe IMAGE -o json",
    "iso scan --deep TREE --changed --create-templates",
    "iso list",
    "distro list --filter os_distro=debian",
    "template create NAME --cdrom IMAGE",
    "template edit NAME --memory 2G",
    "template show NAME -o json",
    "template list -o csv",
    "template export NAME",
    "template delete NAME",
    "task list",
    "config show",
    "completion bash",
    "help filters",
    "--help",
]
TESTING_HOST = [
    "-c test:///default vm list",
    "-c test:///default pool list -o json",
    "-c test:///default vm delete test",
]

Runner = Callable[..., list[Ended]]


@pytest.fixture
def all_of(tmp_path: Path) -> Runner:
    """Runs all command lines: `all_of(environ, wrapper, **subprocess)`; `wrapper` is a line of sh around "$@"."""
    tree = tmp_path / "träe"
    tree.mkdir()
    image = make_image(tree / "größe-日本.iso", "Debian 12.5.0 amd64 n")
    make_image(tree / os.fsdecode(b"latin-\xe9.iso"), "M\u00e9dia")
    words = {"IMAGE": str(image), "TREE": str(tree), "NAME": NAME}
    places = {f"KIMCHI_{what}_DIR": str(tmp_path / what.lower()) for what in ("CONFIG", "STATE", "CACHE")}

    def run(environ: dict[str, str] | None = None, lines: Iterable[str] = LINES, **more: Any) -> list[Ended]:
        environ = {"PATH": "/usr/bin:/bin", "OSINFO_SYSTEM_DIR": "/nonexistent", **places, **(environ or {})}
        split = [[words.get(word, word) for word in line.split()] for line in lines]
        done = start_all(Path(mkdtemp(dir=tmp_path)), split, environ, **{"cwd": "/"} | more)
        assert [(run.line, run.stderr) for run in done if b"Traceback" in run.stderr] == []
        return done

    return run


def statuses(done: list[Ended]) -> dict[str, int]:
    """What did not end with 0, by command line."""
    return {" ".join(run.line): run.status for run in done if run.status}


def test_nothing_but_a_path_is_needed(all_of: Runner) -> None:
    assert statuses(all_of()) == {}


def test_standard_input_may_be_closed(all_of: Runner) -> None:
    assert statuses(all_of(wrapper='"$@" <&-')) == {}


def test_standard_error_may_be_closed(all_of: Runner) -> None:
    assert statuses(all_of(wrapper='"$@" 2>&-')) == {}


def test_all_three_may_be_closed(all_of: Runner) -> None:
    assert set(statuses(all_of(wrapper='"$@" <&- >&- 2>&-')).values()) <= {141}


def test_a_reader_may_go_away(all_of: Runner) -> None:
    ended = all_of(wrapper='"$@" | :')
    assert {run.status for run in ended} <= {0, 141}
    assert not any(b"error" in run.stderr for run in ended)


def test_a_full_disk_below_standard_output_is_an_error_in_one_line(all_of: Runner) -> None:
    lines = ["iso probe IMAGE -o json", "template create NAME --cdrom IMAGE", "template list", "config show", "--help"]
    done = all_of(wrapper='"$@" >/dev/full', lines=lines)
    assert [run.status for run in done] == [1, 0, 1, 1, 1]
    assert all(run.stderr.decode().count("\n") == 1 for run in done)


@pytest.mark.parametrize(
    "environ",
    [
        {"LANG": "C", "TERM": "dumb"},
        {"LC_ALL": "POSIX", "HOME": "/nonexistent"},
        {"LC_ALL": "de_DE.UTF-8", "HOME": "/proc/1"},
        {"HOME": "relative/home", "XDG_CONFIG_HOME": "also/relative"},
    ],
    ids=lambda environ: ",".join(f"{key}={value}" for key, value in environ.items()),
)
def test_locale_terminal_and_home_change_nothing(all_of: Runner, environ: dict[str, str]) -> None:
    done = all_of(environ)
    assert statuses(done) == {}
    shown = next(run for run in done if run.line[:2] == ["template", "show"])
    assert json.loads(shown.stdout)["name"] == NAME and json.loads(shown.stdout)["memory"] == 2048


def test_a_directory_that_is_gone_is_no_place_to_fail_in(all_of: Runner, tmp_path: Path) -> None:
    wrapper = f'mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && "$@"'
    assert statuses(all_of(wrapper=wrapper, cwd=None)) == {}


def test_a_place_that_cannot_be_written_is_named_and_what_reads_goes_on(all_of: Runner) -> None:
    places = {f"KIMCHI_{what}_DIR": "/proc/1/kimchi" for what in ("CONFIG", "STATE", "CACHE")}
    lines = [
        "iso probe IMAGE",
        "distro list",
        "template list",
        "iso list",
        "iso scan --deep TREE -o json",
        "config show",
        "iso scan --deep TREE --changed",
        "iso scan --deep TREE --create-templates",
        "template create NAME --cdrom IMAGE",
    ]
    done = all_of(places, lines=lines)
    assert [run.status for run in done] == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert len(json.loads(done[4].stdout)) == 2 and b"not remembered: cannot make the directory" in done[4].stderr
    assert b"/proc/1/kimchi" in done[-1].stderr and done[-1].stderr.count(b"\n") <= 2


def test_a_host_is_asked_without_a_terminal_and_consent_is_refused_not_waited_for(all_of: Runner) -> None:
    done = all_of(lines=TESTING_HOST)
    assert [run.status for run in done] == [0, 0, 2]
    assert b"--yes" in done[-1].stderr


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A German locale in Latin-1, made for these tests."""
    made = tmp_path_factory.mktemp("locales") / "de_DE.ISO-8859-1"
    localedef = shutil.which("localedef")
    if not localedef or subprocess.run([localedef, "-i", "de_DE", "-f", "ISO-8859-1", made], check=False).returncode:
        pytest.skip("no locale can be made here")
    return {"LOCPATH": str(made.parent), "LC_ALL": made.name}


def test_where_the_locale_is_latin_1_names_of_files_stay_the_bytes_they_are(
    all_of: Runner, latin: dict[str, str], tmp_path: Path
) -> None:
    lines = ["iso scan --deep TREE -o json", "iso list -o name", "template create NAME --cdrom IMAGE", "template list"]
    done = all_of(latin, lines=lines)
    found = {image["location"] for image in json.loads(done[0].stdout.decode("utf-8"))}
    names = os.listdir(os.fsencode(tmp_path / "träe"))
    assert {os.path.basename(os.fsencode(name)) for name in found} == set(names)
    assert {os.path.basename(line) for line in done[1].stdout.splitlines()} == set(names)
    assert statuses(done) == {} and NAME in done[3].stdout.decode("utf-8")


def test_a_terminal_in_latin_1_gets_latin_1_and_escapes(all_of: Runner, latin: dict[str, str]) -> None:
    all_of(lines=["template create NAME --cdrom IMAGE"])
    on_terminal = {"wrapper": 'script -qec "$*" /dev/null', "lines": ["template list --columns name"]}
    (listed,) = all_of(latin | {"TERM": "dumb"}, **on_terminal)
    assert b"vorlage-\xfc-\\u65e5\\u672c" in listed.stdout


def test_what_is_closed_at_the_start_is_no_file_that_is_opened_later(all_of: Runner, tmp_path: Path) -> None:
    # What a library prints to descriptor 2 would else land in whatever was opened as that.
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import os, sys, kimchictl.__main__ as way_in\n"
        "sys.argv = ['kimchictl', '--version']\n"
        "way_in.main()\n"
        "sys.exit(sorted(os.readlink(f'/proc/self/fd/{n}') for n in range(3)) != ['/dev/null'] * 3)\n"
    )
    script = f'"{sys.executable}" {probe} <&- >&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", script], env=dict(os.environ) | importable(), check=False).returncode == 0


def test_a_closed_standard_output_matters_only_to_what_prints(all_of: Runner) -> None:
    lines = ["template create NAME --cdrom IMAGE", "template delete NAME", "template list"]
    assert [run.status for run in all_of(wrapper='"$@" >&-', lines=lines)] == [0, 0, 141]
