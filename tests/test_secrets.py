"""Passwords: in no output, error, log, stored file or list of processes; and no shell gets anybody's text."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest

import kimchictl as package
from lab.web import Served, WebServer

SECRET = "s3cr3t-w0rd"  # noqa: S105 - of nobody
URL = f"https://admin:{SECRET}@127.0.0.1:1/a.iso"
SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))

LINES = [
    ("iso", "probe", URL, "--explain"),
    ("iso", "teach", URL, "--os-distro", "x", "--os-version", "1"),
    ("iso", "forget", URL),
    ("template", "create", "--cdrom", URL),
    ("template", "create", "a", "--cdrom", URL, "--no-check"),
    ("template", "create", "a", "--distro", URL),
    ("template", "edit", "own", "--cdrom", URL),
    ("template", "import", URL),
    ("distro", "add", "a", "--cdrom", URL, "--os-distro", "x", "--os-version", "1"),
    ("-c", f"qemu+ssh://root:{SECRET}@127.0.0.1:1/system", "vm", "list"),
    ("-c", f"qemu+tcp://root:{SECRET}@127.0.0.1:1/system", "pool", "list"),
    ("-c", "test:///default", "volume", "fetch", "default-pool", URL),
    ("-c", "test:///default", "vm", "create", "--template", "own", "--print-xml"),
    ("config", "show"),
]


def stored() -> str:
    """All that lies in the places that are written."""
    places = [Path(os.environ[f"KIMCHI_{what}_DIR"]) for what in ("CONFIG", "STATE", "CACHE")]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    return "".join(file.read_bytes().decode("latin-1") for file in files) + "".join(map(str, files))


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line).replace(SECRET, "SECRET"))
@pytest.mark.parametrize("more", [(), ("-v", "-o", "json"), ("--debug",)], ids=["plain", "json", "debug"])
def test_a_password_on_the_command_line_comes_back_nowhere(kimchi, capfd, line, more) -> None:  # type: ignore[no-untyped-def]
    from kimchictl import cli

    kimchi("template", "create", "own", "--netboot", status=0)
    status = cli.main([*line, *more])
    out, err = capfd.readouterr()
    said = "\n".join(text for text in err.splitlines() if "Traceback" not in text)
    assert SECRET not in out + said, (status, out, err)
    assert SECRET not in stored()


def test_a_file_with_a_password_in_it_is_reported_without_it(kimchi, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    place = Path(os.environ["KIMCHI_CONFIG_DIR"]) / "templates"
    place.mkdir(parents=True)
    for name, document in {"a": {"name": "a", "cdrom": URL}, "b": {"name": URL, "cdrom": None}}.items():
        (place / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "in.json").write_text((place / "a.json").read_text())
    for line in (
        ("template", "list", "-o", "json"),
        ("template", "show", "a"),
        ("template", "import", tmp_path / "in.json"),
    ):
        done = kimchi(*line)
        assert SECRET not in done.err and SECRET not in done.out.replace(f'"name": "{URL}"', ""), line


def test_credentials_of_netrc_reach_the_server_and_nothing_else(kimchi, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login admin password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with WebServer() as server:
        server.files["/a.iso"] = Served(b"no image" * 9000, user=f"admin:{SECRET}")
        done = kimchi("iso", "probe", server.url("/a.iso"), "--debug", "-v")
        assert any("authorization" in request.headers for request in server.requests)
    assert done.status != 0 and SECRET not in done.out + done.err + stored()


SHELLS = ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec")


def test_no_shell_is_ever_started() -> None:
    last_words = "|".join(name.rpartition(".")[2] for name in SHELLS)
    suspect = [path for path in SOURCES if re.search(rf"\b({last_words}|shell)\b", path.read_text())]
    trees = [(path, ast.walk(ast.parse(path.read_text()))) for path in suspect]
    calls = [(path, call) for path, nodes in trees for call in nodes if isinstance(call, ast.Call)]
    for path, call in calls:
        assert ast.unparse(call.func) not in SHELLS, f"{path}:{call.lineno}"
        assert not any(word.arg == "shell" for word in call.keywords), f"{path}:{call.lineno}"


def test_processes_are_started_in_few_places_that_were_looked_at() -> None:
    starting = {path.name for path in SOURCES if "subprocess.run(" in (text := path.read_text()) or "Popen(" in text}
    assert starting <= {
        "access.py",
        "editor.py",
        "poolrefresh.py",
        "streaming.py",
        "models.py",
        "kvm.py",
        "display.py",
        "virt_type.py",
    }
