"""The doctor's look at this machine, and what it says where nothing can be asked."""

import datetime
import os

import pytest

from kimchictl.actions.host.doctor import Ours, check_host, guests, here
from kimchictl.config import find_places, load
from kimchictl.errors import HostError
from lab import osinfo_tree


@pytest.fixture
def kept():
    found = find_places(os.environ)
    os.makedirs(found.own_config)
    return found


def statuses(findings):
    return [(finding.name, finding.status) for finding in findings]


def test_without_a_host_the_rest_is_still_looked_at():
    def refuse():
        raise HostError("cannot connect to x: it is off", "switch it on")

    findings = check_host(refuse, None, Ours(load(os.environ)), local=True)
    assert (findings[0].name, findings[0].status, findings[0].fix) == ("libvirt", "fail", "switch it on")
    assert {"directories", "clock", "space", "collector", "scan"} <= {finding.name for finding in findings}


def test_a_host_far_away_is_not_asked_about_this_machine():
    def refuse():
        raise HostError("it is off")

    assert statuses(check_host(refuse, "qemu+ssh://x/system", Ours(load(os.environ)), local=False)) == [
        ("libvirt", "fail")
    ]


def test_directories_that_nobody_else_may_write_are_well(kept):
    assert statuses(here.directories(kept)) == [("directories", "ok")]


def test_a_directory_that_everybody_may_write_fails_with_the_command_that_helps(kept):
    os.chmod(kept.own_config, 0o777)  # noqa: S103 - what is looked for
    (finding,) = here.directories(kept)
    assert (finding.status, finding.fix) == ("fail", f"chmod o-w {kept.own_config}")


def test_a_file_in_the_place_of_a_directory_fails(kept):
    with open(kept.cache_dir, "w"):
        pass
    assert "fail" in dict(statuses(here.directories(kept))).values()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_directory_of_another_user_fails(kept):
    os.chown(kept.own_config, 12345, -1)
    (finding,) = here.directories(kept)
    assert (finding.status, finding.fix) == ("fail", f"chown 0 {kept.own_config}")


@pytest.mark.parametrize(
    ("days", "status"), [(10, "ok"), (1000, "warn"), (-30, "warn"), (None, "warn")], ids=["new", "old", "future", "no"]
)
def test_a_database_is_told_by_its_age(tmp_path, monkeypatch, days, status):
    monkeypatch.setenv("OSINFO_SYSTEM_DIR", str(tmp_path))
    if days is not None:
        (tmp_path / "VERSION").write_text(f"{datetime.date.today() - datetime.timedelta(days=days):%Y%m%d}\n")
    assert statuses(here.osinfo_db()) == [("osinfo-db", status)]


def test_a_version_that_is_no_date_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("OSINFO_SYSTEM_DIR", str(tmp_path))
    (tmp_path / "VERSION").write_bytes(b"\xff99999999")
    assert statuses(here.osinfo_db()) == [("osinfo-db", "warn")]


def test_a_database_with_a_part_that_cannot_be_used_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("OSINFO_SYSTEM_DIR", str(tmp_path))
    monkeypatch.setenv("KIMCHI_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "VERSION").write_text(f"{datetime.date.today():%Y%m%d}\n")
    osinfo_tree.write(tmp_path, "a.org/a.xml", osinfo_tree.system("a1", osinfo_tree.medium(volume="(a+)+b")))
    (finding,) = here.osinfo_db()
    assert finding.status == "warn" and "(a+)+b" in finding.message


def test_a_configured_tree_that_nothing_scans_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr(here, "_WANTED_TIMER", str(tmp_path / "timer"))
    monkeypatch.setattr(here, "_CRONTABS", (str(tmp_path / "cron*"),))
    assert statuses(here.repeated_scan((str(tmp_path),))) == [("scan", "warn")]
    (tmp_path / "cron").write_text("# kimchictl iso scan --deep\n")
    assert statuses(here.repeated_scan((str(tmp_path),))) == [("scan", "warn")]
    (tmp_path / "cron").write_text("0 3 * * * root kimchictl -q iso scan --deep\n")
    assert statuses(here.repeated_scan((str(tmp_path),))) == [("scan", "ok")]


def test_a_configured_tree_that_is_gone_fails(tmp_path):
    assert statuses(here.repeated_scan((str(tmp_path / "gone"),))) == [("scan", "fail")]
    assert statuses(here.repeated_scan(())) == [("scan", "ok")]


def test_the_clock_is_looked_at_and_not_set():
    assert {finding.name for finding in here.clock()} <= {"clock"}


def test_what_is_no_device_is_missing(tmp_path):
    assert guests._is_device("/dev/null") and not guests._is_device(str(tmp_path))
    assert {finding.name for finding in guests.devices()} == {"devices", "cgroups"}


def test_the_command_ends_with_seven_where_something_fails(kimchi, tmp_path):
    failed = kimchi("host", "check", "-c", f"qemu+unix:///system?socket={tmp_path}/none", "-o", "json", status=7)
    assert failed.json[0]["status"] == "fail" and "libvirtd" in failed.json[0]["fix"]
    assert set(failed.json[0]) == {"name", "status", "message", "fix"}


def test_warnings_alone_end_with_zero(kimchi):
    found = kimchi("host", "check", "-c", "test:///default", "-o", "json", status=0).json
    assert {"libvirt", "pool", "network"} <= {finding["name"] for finding in found}
