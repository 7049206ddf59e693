"""Completion in the shells themselves: what a press of Tab is answered with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kimchictl.commands.completion import script
from lab.terminal import Terminal

# A key press in bash: what readline sets, the function, and the words it would offer.
PRESS = """
press() {
    COMP_LINE=$1 COMP_POINT=${2:-${#1}}
    _kimchictl_completion kimchictl
    (( ${#COMPREPLY[@]} )) && printf '%s\\n' "${COMPREPLY[@]}"
}
"""


@pytest.fixture
def environ(tmp_path: Path, kimchi) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Two templates, and a `kimchictl` on the PATH."""
    for name in ("web ü", "webcam", "*"):
        kimchi("template", "create", name, "--netboot", status=0)
    command = tmp_path / "bin/kimchictl"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom kimchictl.__main__ import main\nsys.exit(main())\n")
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{command.parent}:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def bash(environ: dict[str, str], line: str, *point: int) -> list[str]:
    argv = [
        "bash",
        "--norc",
        "--noprofile",
        "-c",
        f'{script("bash")}\n{PRESS}\npress "$@"',
        "bash",
        line,
        *map(str, point),
    ]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, cwd="/")
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kimchictl tem", ["template"]),
        ("kimchictl template show webc", ["webcam"]),
        ("kimchictl template show web\\ ", ["web\\ ü"]),
        ("kimchictl template delete webcam w", ["web\\ ü"]),
        ("kimchictl template list --filt", ["--filter"]),
        ("kimchictl -c test:///default vm show t", ["test"]),
        ("kimchictl vm show -c test:///default ", ["test"]),
        ("kimchictl -c nonsense:///x vm show ", []),
        ("kimchictl no such thing ", []),
        ("kimchictl template show 'unfinished", []),
    ],
)
def test_bash_offers(environ: dict[str, str], line: str, offered: list[str]) -> None:
    assert bash(environ, line) == offered


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_bash_takes_a_name_for_no_pattern_and_looks_at_what_is_before_the_cursor(environ: dict[str, str]) -> None:
    assert sorted(bash(environ, "kimchictl template show ")) == ["\\*", "web\\ ü", "webcam"]
    assert bash(environ, "kimchictl template show webc --debug", 28) == ["webcam"]


# What was put into the line is told by the command itself, which prints its words; asked by the shell it completes.
ECHO = """
kimchictl() {
    if [ -n "$_KIMCHICTL_COMPLETE" ]; then command kimchictl "$@"; else printf '<%s>' "$@"; fi
}
"""
TYPED = [
    ("kimchictl templ\tsh\twebc\t\n", "<template><show><webcam>"),
    ("kimchictl template show 'web \t\n", "<template><show><web ü>"),
    ('kimchictl template show "web \t\n', "<template><show><web ü>"),
    ("kimchictl template show web\\ \t\n", "<template><show><web ü>"),
    ("kimchictl template show \"it's $\t\n", "<template><show><it's $5>"),
    ("kimchictl template show 'it\t\n", "<template><show><it's $5>"),
    ("kimchictl template show no\tsuch\n", "<template><show><nosuch>"),
    ("kimchictl iso probe /usr/bi\t\n", "<iso><probe></usr/bin/>"),
    ("kimchictl iso scan --deep /usr/bi\t\n", "<iso><scan><--deep></usr/bin/>"),
    ("kimchictl -c test:///default vm show te\t\n", "<-c><test:///default><vm><show><test>"),
]


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_in_bash_a_name_is_put_in_as_the_open_quote_wants_it(environ: dict[str, str], tmp_path: Path, kimchi) -> None:  # type: ignore[no-untyped-def]
    kimchi("template", "create", "it's $5", "--netboot", status=0)
    (tmp_path / "rc").write_text(f"PS1='READY>'\n{script('bash')}\n{ECHO}")
    argv = ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"]
    with Terminal(argv, environ | {"TERM": "dumb", "INPUTRC": "/dev/null"}, "READY>") as shell:
        for typed, words in TYPED:
            assert words in shell.type(typed), typed


# What compsys would be handed, on a line each: in a terminal it depends on what else is typed by then.
COMPSYS = """
compdef() { }
compadd() { print -rl -- $completions }
_describe() { print -rl -- $completions_with_descriptions }
_path_files() { print files }
"""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("templ",), ["template:Templates: what VMs are made from."]),
        (("template", "show", "webc"), ["webcam"]),
        (("template", "show", "'web "), ["web ü"]),
        (("template", "show", "web\\ "), ["web ü"]),
        (("-c", "test:///default", "vm", "show", "te"), ["test"]),
        (("-c", "nonsense:///x", "vm", "show", ""), []),
        (("no", "such", "thing"), []),
        (("iso", "probe", "/usr"), ["files"]),
    ],
)
def test_zsh_offers(environ: dict[str, str], words: tuple[str, ...], offered: list[str]) -> None:
    line = f'{COMPSYS}\n{script("zsh")}\nwords=(kimchictl "$@"); CURRENT=$#words; _kimchictl_completion'
    done = subprocess.run(["zsh", "-f", "-c", line, "zsh", *words], env=environ, capture_output=True, text=True)
    assert (done.stdout.splitlines(), done.stderr) == (offered, "")


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_offers_templates(environ: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "fish/completions"
    place.mkdir(parents=True)
    (place / "kimchictl.fish").write_text(script("fish"))
    argv = ["fish", "-c", "complete -C 'kimchictl template show web'"]
    done = subprocess.run(argv, env={**environ, "XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True, text=True)
    assert sorted(done.stdout.splitlines()) == ["web ü", "webcam"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_offers_files(environ: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "fish/completions"
    place.mkdir(parents=True)
    (place / "kimchictl.fish").write_text(script("fish"))
    argv = ["fish", "-c", "complete -C 'kimchictl iso probe /usr/bi'"]
    done = subprocess.run(argv, env={**environ, "XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True, text=True)
    assert "/usr/bin/" in done.stdout.split()


@pytest.mark.parametrize("words", ["template show ", "iso probe /", "tem"])
def test_completion_loads_nothing_heavy(environ: dict[str, str], words: str) -> None:
    code = "import sys; from kimchictl.cli import main; main(); sys.stderr.write(' '.join(sys.modules))"
    asked = {"COMP_WORDS": f"kimchictl {words}", "COMP_CWORD": "-1", "_KIMCHICTL_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-c", code], env=environ | asked, capture_output=True, text=True)
    assert done.returncode == 0
    assert not {"rich", "pycdlib", "libvirt", "urllib.request"} & set(done.stderr.split())
