"""Templates changed by many processes at once, and by one that is killed."""

import json
import os
import subprocess
import sys

from kimchictl.catalog.nouns import TEMPLATES

MAIN = [sys.executable, "-m", "kimchictl"]


def start(*arguments, **settings):
    return subprocess.Popen([*MAIN, *map(str, arguments)], stderr=subprocess.PIPE, **settings)


def test_50_processes_each_make_a_template_of_their_own(kimchi, image):
    path = image("Debian 12.5.0 amd64 n")
    running = [start("template", "create", f"t{number}", "--cdrom", path, "-q") for number in range(50)]
    failed = [process.stderr.read() for process in running if process.wait()]
    assert failed == []
    assert len(kimchi("template", "list", "-o", "json", status=0).json) == 50
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    for file in (file for file in os.listdir(directory) if not file.startswith(".")):
        with open(os.path.join(directory, file)) as stream:
            TEMPLATES.parse(json.load(stream), file)


def test_unnamed_templates_made_at_once_get_names_of_their_own(kimchi, image):
    path = image("Debian 12.5.0 amd64 n")
    running = [start("template", "create", "--cdrom", path, "-q") for _ in range(8)]
    assert [process.wait() for process in running] == [0] * 8
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
