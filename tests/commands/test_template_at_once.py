"""Templates changed by many processes at once, and by one that is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from kimchictl.catalog.nouns import TEMPLATES
from lab.starts import start_all


def at_once(tmp_path, lines):
    """Runs the lines at the same time, each in a process of its own; all end well, and quietly."""
    done = start_all(Path(mkdtemp(dir=tmp_path)), lines, os.environ, together=True)
    assert ({run.status for run in done}, done[0].stderr) == ({0}, b"")


def test_50_processes_each_make_a_template_of_their_own(kimchi, image, tmp_path):
    path = str(image("Debian 12.5.0 amd64 n"))
    at_once(tmp_path, [["template", "create", f"t{number}", "--cdrom", path, "-q"] for number in range(50)])
    assert len(kimchi("template", "list", "-o", "json", status=0).json) == 50
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    for file in (file for file in os.listdir(directory) if not file.startswith(".")):
        with open(os.path.join(directory, file)) as stream:
            TEMPLATES.parse(json.load(stream), file)


def test_unnamed_templates_made_at_once_get_names_of_their_own(kimchi, image, tmp_path):
    path = str(image("Debian 12.5.0 amd64 n"))
    at_once(tmp_path, [["template", "create", "--cdrom", path, "-q"] for _ in range(8)])
    names = set(kimchi("template", "list", "-o", "name").out.split())
    assert names == {"debian-12", *(f"debian-12-{number}" for number in range(2, 9))}


def test_a_rename_that_is_killed_leaves_exactly_one_name(kimchi):
    kimchi("template", "create", "old", "--netboot", status=0)
    program = (
        "import os, sys; from kimchictl import files; from kimchictl.cli import main\n"
        "files.trace = lambda point, path: os.kill(os.getpid(), 9) if point == sys.argv[1] else None\n"
        "main(['template', 'edit', 'old', '--name', 'new'])"
    )
    for point in ("locked", "written", "renamed", "moved", "directory-synced"):
        subprocess.run([sys.executable, "-c", program, point], capture_output=True, check=False)
        names = kimchi("template", "list", "-o", "name", status=0).out.split()
        assert names in (["old"], ["new"]), point
        if names == ["new"]:
            kimchi("template", "edit", "new", "--name", "old", status=0)
