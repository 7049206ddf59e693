"""The scan as a service: systemd takes the units, and the command works under the restrictions that they name."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.images import make_image
from lab.mounts import in_namespace, mount, needs_mounts

UNITS = Path(__file__).parent.parent / "systemd"


def service() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "kimchi-scan.service")
    return dict(parser["Service"])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name in ("kimchi-scan.service", "kimchi-scan.timer"):
        # What is verified must be there to be executed.
        text = (UNITS / name).read_text().replace("/usr/bin/kimchictl", "/bin/true").replace("Documentation", "#")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "kimchi-scan.timer", tmp_path / "kimchi-scan.service"],
        capture_output=True,
        text=True,
    )
    mine = [line for line in done.stderr.splitlines() if "kimchi" in line]
    assert (done.returncode, mine) == (0, [])


def test_the_cron_line_runs_the_command_of_the_service() -> None:
    command = service()["ExecStart"].removeprefix("/usr/bin/")
    assert command in (UNITS / "kimchi-scan.cron").read_text()


@needs_mounts
def test_the_command_works_where_only_what_the_service_names_can_be_written(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("config", "state", "cache")}
    writable = {
        "config": service()["ReadWritePaths"],
        **{n: service()[f"{n.title()}Directory"] for n in ("state", "cache")},
    }
    assert writable == {"config": "/etc/kimchi", "state": "kimchi", "cache": "kimchi"}
    (tmp_path / "srv").mkdir()
    os.utime(make_image(tmp_path / "srv/debian.iso", "Debian 12.5.0 amd64 n"), (1e9, 1e9))
    for name, place in places.items():
        place.mkdir()
        os.environ[f"KIMCHI_{name.upper()}_DIR"] = str(place)  # undone by the fixture that set them
    (tmp_path / "config/kimchictl.toml").write_text(f'[scan]\npaths = ["{tmp_path}/srv"]\n')
    argv = [sys.executable, "-m", "kimchictl", *service()["ExecStart"].split()[1:]]

    def confined() -> list[tuple[int, str, str]]:
        for place in (tmp_path, *places.values()):
            mount("--bind", place, place)
        for place in ("/", tmp_path):
            mount("-o", "remount,bind,ro", place)
        assert not os.access(tmp_path / "srv", os.W_OK)
        runs = [subprocess.run(argv, capture_output=True, text=True) for _ in range(2)]
        return [(run.returncode, run.stdout, run.stderr) for run in runs]

    first, second = in_namespace(confined)
    assert first[0] == 10 and "debian.iso" in first[1] and list((tmp_path / "config/templates").glob("*"))
    assert second == (0, "", "")
